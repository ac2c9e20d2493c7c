"""Links that let one person see one notice, and acknowledge it, without an account."""
