"""Courses and requirement sets, as the catalog says: a projection, and the facts rules read."""
