"""Decisions of token-issuer: synchronous, without I/O, clock or randomness."""
