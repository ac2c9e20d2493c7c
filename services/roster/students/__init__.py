"""Students and their schools."""
