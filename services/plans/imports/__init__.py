"""Taking over plans that were made elsewhere."""
