"""Events pushed to integrators' own addresses, by Standard Webhooks 1.0; docs/decisions/0010-webhooks.md."""
