"""Matches: partners proposed for a student's career goal, and the one a counselor approves."""
