"""
Tells the people who can act: notices to guardians and students, tasks and emails to counselors.

Owns: notices and the ledger of their messages, counselor tasks, message templates, acknowledge links,
the rules that lead from an event to any of these, and the local mailbox of the embedded default.
Publishes: notice delivered, failed, acknowledged; task opened, done.
Consumes: students, guardianships, caseloads and contacts from roster; plan revised, submitted, approved
and audit flipped from plans; match proposed, accepted and ended from mentorship.
"""
