"""Owns transports and packets: one node, one core, one UDP port."""
