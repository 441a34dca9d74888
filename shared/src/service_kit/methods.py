"""HTTP methods by what they do."""

READING = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""These change nothing. Source: RFC 9110 section 9.2.1."""
