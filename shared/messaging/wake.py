"""Telling the relay, which may live in another process, that the outbox has something new."""

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from shared.database.database import Database
from shared.settings import Settings
from shared.telemetry.logs import get_logger

# One NOTIFY per few milliseconds: in every commit it costs a quarter of the write rate and gains 1-2 ms.
COALESCE_S = 0.003
log = get_logger(__name__)


class Waker(Protocol):
    """`wake` returns at once and never fails: a lost signal costs one polling interval, nothing else."""

    def wake(self) -> None: ...

    def close(self) -> None: ...


def channel_of(service: str) -> str:
    return f"signpost_outbox_{service}"


def signal_path(settings: Settings) -> Path:
    """The named pipe by which other processes wake the embedded worker."""
    return settings.home / "worker.wake"


def waker_for(settings: Settings, database: Database) -> Waker:
    """How a process that writes to this database wakes the relay."""
    return PipeWaker(signal_path(settings)) if database.is_sqlite else NotifyWaker(database)


class NotifyWaker:
    """Sends PostgreSQL's NOTIFY from a thread of its own, many commits at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pending = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"wake-{database.service}", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        self._pending.set()

    def close(self) -> None:
        self._closed.set()
        self._pending.set()
        self._thread.join(timeout=2)

    def _run(self) -> None:
        statement = text(f"NOTIFY {channel_of(self._database.service)}")
        while not self._closed.is_set():
            self._pending.wait()
            self._pending.clear()
            try:
                with self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    while not self._closed.is_set():
                        connection.execute(statement)
                        self._closed.wait(COALESCE_S)
                        self._pending.wait()
                        self._pending.clear()
            except SQLAlchemyError as error:
                log.info("wake_failed", error=type(error).__name__)


class PipeWaker:
    """Writes a byte into the embedded worker's named pipe, if a worker is reading it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._lock = threading.Lock()

    def wake(self) -> None:
        with self._lock, suppress(OSError):  # no worker, or its pipe is full of wake-ups already
            if self._descriptor is None:
                self._descriptor = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
            try:
                os.write(self._descriptor, b"\0")
            except BlockingIOError:
                return
            except OSError:
                os.close(self._descriptor)
                self._descriptor = None

    def close(self) -> None:
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None
