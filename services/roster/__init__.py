"""
The roster: who is enrolled, who is guardian, counselor, case manager or teacher of whom, how to reach them.

Owns: schools, people with their contact points, students, guardianships with court orders,
caseloads, and the imports they come from (OneRoster 1.1 and 1.2, Microsoft SDS 2.1, Ed-Fi 5.2, caseload CSV).

Publishes: student enrolled, changed, withdrawn; guardianship granted, revoked, restricted;
caseload assigned, ended; contact changed, removed (shared/events/roster.py).

Consumes: nothing but its own events, for the access projection every service keeps.
"""
