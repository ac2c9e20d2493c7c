"""
A school district made up from a seed: roster, catalog, graduation requirements, partners and four-year plans.

Owns nothing and runs nowhere: it writes files that the importers of the other services read. The same seed and
size give the same bytes. People, schools and organisations are invented; addresses are under example.org and
example.net, telephone numbers end in 555-0100 to 555-0199, which are reserved for fiction.
"""
