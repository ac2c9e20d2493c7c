"""Waiting on a condition, never for luck."""

from shared.testing.deployment import wait_until

__all__ = ["wait_until"]
