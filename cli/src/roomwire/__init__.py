"""The roomwire command: run the whole system on one machine, test its load."""
