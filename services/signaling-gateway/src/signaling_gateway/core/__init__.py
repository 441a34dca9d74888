"""Decides without I/O: no sockets, loops, clocks, environment or randomness."""
