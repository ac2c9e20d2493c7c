"""Whether this process is up, and whether what it needs is."""
