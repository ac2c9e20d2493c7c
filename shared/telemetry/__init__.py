"""Seeing what happens: traces, logs without personal data, metrics."""
