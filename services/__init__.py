"""The services of Signpost; cli.py is the one place that knows them all."""
