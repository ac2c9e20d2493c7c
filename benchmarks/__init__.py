"""Every figure the README claims: `make bench`."""
