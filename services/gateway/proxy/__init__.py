"""Requests passed down to the services: where a path goes, what goes with it, what comes back."""
