"""Requirement sets: the rules a plan is checked against, read from YAML and published as contracts."""
