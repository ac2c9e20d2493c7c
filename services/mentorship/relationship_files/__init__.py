"""Relationship files: what has happened between the district and one partner, in order."""
