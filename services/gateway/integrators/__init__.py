"""Integrators who consume events from the broker: each a user that may read one queue (docs/decisions/0012)."""
