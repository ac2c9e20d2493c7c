"""Pages for people with a browser: the acknowledge page behind a signed link, and the landing page."""
