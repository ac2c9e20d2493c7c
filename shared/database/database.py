"""A service's database: short transactions, one writer at a time on SQLite."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.orm import Session

from shared.clock import Clock, SystemClock
from shared.database.unit_of_work import Cause, UnitOfWork
from shared.settings import Settings

SQLITE_BUSY_TIMEOUT_S = 15
POSTGRESQL_PORT = 5432
# Notice within half a minute that the other side is gone without a word: a cut cable sends no goodbye.
_NOTICE_SILENCE = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
# SQLSTATEs of a server that cannot serve now: lost connection, no resources or disk full, shutting down,
# I/O error, a standby that is read-only, a session ended for idling.
_AWAY_STATES = ("08", "53", "57P", "58", "25006", "25P03")
# SQLSTATEs of two transactions in each other's way: serialization failure, deadlock, lock not granted.
_CONFLICT_STATES = ("40", "55P03")


class DatabaseAway(Exception):
    """The database cannot be reached or broke off; nothing of the transaction took effect."""


class DatabaseConflict(DatabaseAway):
    """Another transaction got in the way; nothing of this one took effect, and the next try may go through."""


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
            DatabaseConflict: A DatabaseAway too; another transaction stood in the way.
        """
        cause = cause or Cause()
        # Held through the commit: SQLite has one writer, and queueing here is fair where its own wait polls.
        with self._write_lock, self.translating(), Session(self._writing, expire_on_commit=False) as session:
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
        with self.translating(), Session(self.engine) as session:
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
    def translating(self) -> Iterator[None]:
        """Raise DatabaseAway or DatabaseConflict in place of the driver's word for it."""
        try:
            yield
        except (DBAPIError, PoolExhausted) as error:
            what = failure_of(self.service, self.engine, error)
            if is_conflict(error):
                raise DatabaseConflict(what) from error
            if is_away(error):
                raise DatabaseAway(what) from error
            raise


def failure_of(service: str, engine: Engine, error: BaseException) -> str:
    """Whose database failed, where it should be, and how; never the driver's text, which may quote data."""
    url = engine.url
    place = url.database if url.host is None else f"{url.host}:{url.port or POSTGRESQL_PORT}/{url.database}"
    return f"database of {service} at {place}: {type(getattr(error, 'orig', error)).__name__}"


def is_away(error: BaseException) -> bool:
    """True for failures of the connection or server, false for those of the statement."""
    if isinstance(error, DatabaseAway | PoolExhausted):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    # SQLite reports a missing table as OperationalError too; only locks, I/O and full disks pass by themselves.
    if isinstance(error.orig, sqlite3.Error):
        return any(sign in str(error.orig) for sign in ("locked", "disk I/O", "full", "unable to open"))
    state = getattr(error.orig, "sqlstate", None)
    return state.startswith(_AWAY_STATES) if state else isinstance(error, OperationalError | InterfaceError)


def is_conflict(error: BaseException) -> bool:
    """True where the database gave up one of two transactions that stood in each other's way."""
    if isinstance(error, DatabaseConflict):
        return True
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    return bool(state) and str(state).startswith(_CONFLICT_STATES)


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
        hide_parameters=True,  # they may be personal data, and errors are logged
        connect_args={"connect_timeout": 5, "application_name": "signpost", **_NOTICE_SILENCE},
    )


def _sqlite_engine(url: str, pool_size: int) -> Engine:
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=2,
        hide_parameters=True,
        connect_args={"timeout": SQLITE_BUSY_TIMEOUT_S},
    )

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
