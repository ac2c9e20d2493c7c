"""Notices and the ledger of their messages: queued, decided on again, sent, retried, acknowledged."""
