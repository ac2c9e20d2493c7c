"""What one action led to: the event log of all services, and the chain of one correlation id."""
