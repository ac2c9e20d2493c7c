"""
Mentorship: community partners and the students they mentor.

Owns: partners, one relationship file per partner with its timeline, matches between partners and students.
Publishes: match proposed, accepted, ended.
Consumes: student enrolled, changed, withdrawn (roster); career goal set (plans).
"""
