"""Who is enrolled, as the roster says: a projection."""
