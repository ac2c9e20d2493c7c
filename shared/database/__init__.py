"""Databases: one per service, opened the same way on PostgreSQL and SQLite."""
