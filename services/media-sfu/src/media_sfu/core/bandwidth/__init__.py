"""How a subscriber's bandwidth is spent: its profile, what it can receive, and which layer of each track it gets."""
