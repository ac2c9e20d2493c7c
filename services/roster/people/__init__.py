"""People and how to reach them; personal data is sealed at rest."""
