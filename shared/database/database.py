"""A service's database: short transactions, one writer at a time on SQLite."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import Session

from shared.clock import Clock, SystemClock
from shared.database.unit_of_work import Cause, UnitOfWork
from shared.settings import Settings

SQLITE_BUSY_TIMEOUT_S = 15


class DatabaseAway(Exception):
    """The database cannot be reached or broke off; nothing of the transaction took effect."""


class Database:
    """One service's database. Cheap to hold, connects on first use."""

    def __init__(self, engine: Engine, *, service: str, clock: Clock) -> None:
        self.engine = engine
        self.service = service
        self.clock = clock
        self.wakers: list[Callable[[], None]] = []
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._write_lock: AbstractContextManager[Any] = threading.Lock() if self.is_sqlite else nullcontext()
        self._writing = engine.execution_options(signpost_write=True)

    @classmethod
    def open(cls, settings: Settings, service: str, *, clock: Clock | None = None) -> "Database":
        return cls(
            create_service_engine(settings.database_url_for(service), pool_size=settings.db_pool_size),
            service=service,
            clock=clock or SystemClock(),
        )

    @contextmanager
    def transaction(self, cause: Cause | None = None) -> Iterator[UnitOfWork]:
        """
        A unit of work, committed with its events at the end and rolled back on any exception.

        Raises:
            DatabaseAway: The connection failed; what it replaces is the cause.
        """
        cause = cause or Cause()
        # Held through the commit: SQLite has one writer, and queueing here is fair where its own wait polls.
        with self._write_lock, self._connected(), Session(self._writing, expire_on_commit=False) as session:
            uow = UnitOfWork(session, clock=self.clock, cause=cause)
            with session.begin():
                yield uow
                uow.flush_events()
        uow.committed()
        if uow.emitted:
            self.wake()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """
        A session for reads; whatever it changes is rolled back.

        Raises:
            DatabaseAway: The connection failed.
        """
        with self._connected(), Session(self.engine) as session:
            yield session

    def wake(self) -> None:
        """Tell the relay that there is something to publish."""
        for wake in self.wakers:
            wake()

    def ping(self) -> None:
        """
        Raises:
            DatabaseAway: The database does not answer.
        """
        with self.reading() as session:
            session.execute(text("SELECT 1"))

    def dispose(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _connected(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            if is_away(error):
                raise DatabaseAway(f"{self.service}: {type(error.orig).__name__}") from error
            raise


def is_away(error: DBAPIError) -> bool:
    """True for failures of the connection or server, false for those of the statement."""
    if error.connection_invalidated or isinstance(error, InterfaceError):
        return True
    # SQLite reports a missing table as OperationalError too; only locks, I/O and full disks pass by themselves.
    if isinstance(error.orig, sqlite3.Error):
        return any(sign in str(error.orig) for sign in ("locked", "disk I/O", "full", "unable to open"))
    return isinstance(error, OperationalError)


def create_service_engine(url: str, *, pool_size: int) -> Engine:
    """An engine with the settings every service relies on."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(url, pool_size)
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    return create_engine(
        parsed,
        pool_size=pool_size,
        max_overflow=2,
        pool_pre_ping=True,
        pool_timeout=10,
        connect_args={"connect_timeout": 5, "application_name": "signpost"},
    )


def _sqlite_engine(url: str, pool_size: int) -> Engine:
    engine = create_engine(url, pool_size=pool_size, max_overflow=2, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_S})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions begin below, not where sqlite3 guesses
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        # With WAL this survives kill -9; a power cut may lose the last commits, never the file.
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that will write takes the write lock at once: upgrading later fails instead of waiting.
        writes = connection.get_execution_options().get("signpost_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
