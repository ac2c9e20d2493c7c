"""The course plan, goal and interests of one student: read, changed, submitted, approved."""
