"""The REST surface, one file a resource. Parses parameters and renders answers exactly as the contract says; decides nothing about rooms."""
