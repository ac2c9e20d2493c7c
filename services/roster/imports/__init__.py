"""Imports: from files of a student information system to the roster, all or nothing, and again without effect."""
