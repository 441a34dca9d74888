"""Owns API keys and the master secret; verifies tokens and credentials; signs callbacks."""
