"""Who can be written to, in which language, and about whom: projections of roster events."""
