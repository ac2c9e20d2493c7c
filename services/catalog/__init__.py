"""
What a school offers and the rules a plan is checked against.

Owns: courses by school year with their prerequisites, requirement sets, career clusters, and the
list of conflicts found in them.
Publishes: course changed, retired; catalog published; requirements changed.
Reacts to: nothing.
"""
