"""Community partners: whom a district can ask to mentor, where they can help, and how many students they take."""
