"""Courses: imported as a whole catalog, changed or retired one by one."""
