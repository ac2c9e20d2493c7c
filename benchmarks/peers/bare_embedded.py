"""
SQLite in a loop: rows of one table become rows of another, 500 in one transaction.

It has no outbox, inbox, envelope or validation, and no second process.
"""

import json
import os
import sqlite3

from benchmarks.commands import obey

TAKE = "SELECT position, body FROM waiting WHERE position > ? ORDER BY position LIMIT 500"


def _drain(count: int) -> None:
    database = sqlite3.connect(os.environ["BENCH_SQLITE"], isolation_level=None)
    database.execute("PRAGMA synchronous=NORMAL")
    done = position = 0
    while rows := database.execute(TAKE, [position]).fetchall():
        events = [json.loads(body) for _, body in rows]
        database.execute("BEGIN IMMEDIATE")
        effects = [(event["plan_id"], event["version"]) for event in events]
        database.executemany("INSERT INTO effects (event_id, version) VALUES (?, ?)", effects)
        database.execute("COMMIT")
        done, position = done + len(rows), rows[-1][0]
    assert done == count, done


def _not_live(*_: int) -> str:
    raise SystemExit("only drains")


if __name__ == "__main__":
    obey(_not_live, _not_live, drain=_drain)
