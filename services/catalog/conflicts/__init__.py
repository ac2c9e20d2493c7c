"""Contradictions in the catalog and its rules that are shown to staff instead of being hidden."""
