"""Deliver at least once, apply once: outbox, relay, broker, consumer, inbox, dead letters."""
