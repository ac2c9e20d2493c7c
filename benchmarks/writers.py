"""
Writes events as an API process does: eight threads, a transaction each, the relay woken after the commit.

    python -m benchmarks.writers     commands on its input, see benchmarks/commands.py
"""

from functools import partial

from benchmarks.commands import by_threads, obey
from benchmarks.pipeline import write_one
from shared.database.database import Database
from shared.messaging.wake import waker_for
from shared.settings import Settings

if __name__ == "__main__":
    settings = Settings()
    database = Database.open(settings, "ledger")
    waker = waker_for(settings, database)
    database.wakers.append(waker.wake)
    write = partial(write_one, database)
    obey(lambda count: by_threads(count, write), write)
    waker.close()
    database.dispose()
