"""What every HTTP API has in common: routes that authorize, problems, OpenAPI, idempotency."""
