"""What messages say: a file per message in plain English, translated by gettext catalogs, laid out as HTML and text."""
