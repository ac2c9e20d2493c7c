"""
The Individual Learning Plan: a student's courses by grade and term, career goal and interests.

Owns: plans, their revisions and their audits against a graduation rule set.
Publishes: plan revised, submitted, approved; audit flipped; goal set; interests changed.
Reacts to: students of the roster; courses and requirement sets of the catalog.
"""
