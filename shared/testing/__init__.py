"""What tests of any service need: a clock to set, databases, tokens, and events brought to rest."""

from shared.testing.clock import FakeClock
from shared.testing.databases import sqlite_database
from shared.testing.embedded import Embedded

__all__ = ["Embedded", "FakeClock", "sqlite_database"]
