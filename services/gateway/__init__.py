"""
The gateway: the one door for phones, pages and integrators.

Owns: rate limits, the merged API description, composed reads, the event log behind journeys, pages.
Publishes: nothing.
Consumes: every event of every service, for the log.

It holds no rules of a district: it checks who somebody is, and every service decides again what they may do.
"""
