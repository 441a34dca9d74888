"""What the services say to each other: subjects, messages, ids and error codes. Pure; no service code, no I/O."""
