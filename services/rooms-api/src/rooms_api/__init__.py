"""Owns rooms, participants and their sessions, tracks, rules, recordings, compositions and callbacks."""
