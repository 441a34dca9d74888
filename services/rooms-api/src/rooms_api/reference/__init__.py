"""The API reference: text files beside this one, read into an OpenAPI document and shown as a page. Describes; decides nothing."""
