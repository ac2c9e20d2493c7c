"""Deliver at least once, apply once: outbox, relay, broker, consumer, inbox, dead letters."""

import warnings

# Nameko stands on it, and both are given; a warning in every command's output helps nobody.
warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
