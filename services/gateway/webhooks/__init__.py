"""Events pushed to integrators' own addresses, by Standard Webhooks 1.0; docs/decisions/0011-webhooks.md."""
