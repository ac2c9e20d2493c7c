"""Who is guardian of whom, and what court orders take away."""
