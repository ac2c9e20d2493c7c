"""Handing messages to providers: ports for email and SMS, and what a provider reports later."""
