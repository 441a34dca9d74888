"""`roomwire load-test`: load any deployment with real clients and say how it held."""
