"""The composed first screen of a phone."""
