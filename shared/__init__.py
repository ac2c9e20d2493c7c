"""What every service stands on: contracts, messaging, database, web, access, telemetry. Knows no service."""
