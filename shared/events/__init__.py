"""Event contracts, one module per producer: the only meaning that services share."""
