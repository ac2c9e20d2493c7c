"""
The local mailbox of the embedded default: takes email over SMTP and SMS over the Twilio API, and shows both on a page.

A real SMTP server and a real HTTP API for one machine: it binds the loopback address alone and
sends nothing on. Runs in an asyncio process, never in a worker.
"""
