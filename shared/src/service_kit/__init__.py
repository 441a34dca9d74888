"""How a service runs: settings, bus, logging, tracing, health and metrics, start and drain. Knows no service."""
