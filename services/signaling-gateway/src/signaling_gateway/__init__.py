"""Owns the open sockets of clients, and nothing else."""
