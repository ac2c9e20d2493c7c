"""Use cases of AMQP integrators: add, give another password, remove; renew and compare their queues."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError

from services.gateway.integrators import rules, tables
from shared.auth.access import Principal
from shared.auth.tables import disclosure_log
from shared.database.database import Database
from shared.database.unit_of_work import UnitOfWork
from shared.events.contract import contracts
from shared.identifiers import stable_id
from shared.messaging.administration import (
    Administration,
    AdministrationFailed,
    administration,
    virtual_host_of,
)
from shared.messaging.broker import BrokerAway
from shared.messaging.integrator_queue import IntegratorQueue
from shared.messaging.rabbitmq import channel_to
from shared.messaging.topology import Binding, Topology, TopologyMissing, is_there
from shared.problems import Conflict, NotFound
from shared.settings import Settings

PASSWORD_BYTES = 32
# An integrator's mistake must not take all of the broker's connections.
CONNECTIONS, CHANNELS = 10, 50
_READERS = "amqp_integrators"


@dataclass(frozen=True)
class Reading:
    """An integrator, and how its queue stands; `waiting` is None where there is no queue of its own."""

    row: Row[Any]
    user: str
    queue: str
    types: frozenset[str]
    waiting: int | None
    consumers: int | None


def add(
    name: str,
    events: Sequence[str],
    *,
    reads_stream: bool = False,
    principal: Principal,
    database: Database,
    settings: Settings,
) -> rules.Credentials:
    """
    Make a user of the broker that may read one queue: its own, filtered, or the stream of everything.

    Raises:
        NameRefused, NothingMatches: As the rules say.
        AlreadyThere: The name is taken, here or in the broker.
        AdministrationMissing, AdministrationFailed, BrokerAway, TopologyMissing: Nothing is left behind.
    """
    rules.checked_name(name)
    patterns = rules.checked_patterns(events, known=contracts().keys())
    broker = administration(settings)
    queue, user = _queue(settings, name, patterns), _user(settings, name)
    if broker.has_user(user):
        raise rules.AlreadyThere(f"The broker has a user {user} already. Next: signpost integrators remove {name}")
    # On record before the first event: from then on its disclosures are written.
    with database.transaction() as uow:
        _record(uow, name, patterns, reads_stream=reads_stream, principal=principal)
    try:
        if reads_stream:
            _require_stream(settings)
        else:
            with channel_to(str(settings.amqp_url)) as channel:
                queue.apply(channel, known=contracts().keys())
        password = _password()
        broker.add_user(user, password)
        broker.permit_reading(user, _source(settings, queue, reads_stream=reads_stream))
        broker.limit_user(user, connections=CONNECTIONS, channels=CHANNELS)
    except Exception:
        _withdraw(name, principal=principal, database=database, settings=settings, broker=broker, kind="not_added")
        raise
    return _credentials(settings, user, password, _source(settings, queue, reads_stream=reads_stream))


def rotate(name: str, *, principal: Principal, database: Database, settings: Settings) -> rules.Credentials:
    """
    Another password, at once: what is connected with the one before is disconnected.

    Raises:
        NotFound: There is no such integrator.
        AdministrationMissing, AdministrationFailed, BrokerAway: The password may be the old or the new one; repeat it.
    """
    broker = administration(settings)
    with database.transaction() as uow:
        row = tables.find(uow.session, name)
        if row is None:
            raise NotFound
        tables.mark_rotated(uow.session, name, at=uow.clock.now())
        _note(uow, name, "rotated", principal, row.events)
    queue, user, password = _queue(settings, name, row.events), _user(settings, name), _password()
    source = _source(settings, queue, reads_stream=row.reads_stream)
    broker.change_password(user, password)
    broker.close_connections(user)
    return _credentials(settings, user, password, source)


def remove(name: str, *, principal: Principal, database: Database, settings: Settings) -> None:
    """
    Delete user and queue with all that waits in it; what was done stays on record. Also tidies what an `add` left.

    Raises:
        NotFound: There is nothing of that name, here or in the broker.
    """
    broker = administration(settings)
    with database.reading() as session:
        is_known = tables.find(session, name) is not None
    if not is_known and not broker.has_user(_user(settings, rules.checked_name(name))):
        raise NotFound
    _withdraw(name, principal=principal, database=database, settings=settings, broker=broker, kind="removed")


def readings(database: Database, settings: Settings) -> list[Reading]:
    """Every integrator with the state of its queue."""
    with database.reading() as session:
        rows = tables.all_integrators(session)
    with channel_to(str(settings.amqp_url)) as channel:
        return [_reading(settings, row, channel) for row in rows]


def reading(name: str, database: Database, settings: Settings) -> tuple[Reading, Sequence[Row[Any]]]:
    """
    One of them, and what was done to it, oldest first.

    Raises:
        NotFound: There is no such integrator.
    """
    with database.reading() as session:
        row, history = tables.find(session, name), tables.history(session, name)
    if row is None:
        raise NotFound
    with channel_to(str(settings.amqp_url)) as channel:
        return _reading(settings, row, channel), history


def renew(database: Database, settings: Settings) -> int:
    """
    Bind every integrator's queue to the types that its patterns reach in this release; how many queues.

    Raises:
        BrokerAway, TopologyMissing: A queue is there with other limits.
    """
    queues = _queues(database, settings)
    for queue in queues:
        with channel_to(str(settings.amqp_url)) as channel:
            queue.apply(channel, known=contracts().keys())
    return len(queues)


def differences(database: Database, settings: Settings, *, actual: frozenset[Binding] | None) -> list[str]:
    """
    What of the integrators' queues is not as it must be, a line each.

    Args:
        actual: The broker's bindings; None if they could not be looked at.
    """
    queues, found = _queues(database, settings), []
    for queue in queues:
        try:
            with channel_to(str(settings.amqp_url)) as channel:
                queue.check(channel)
        except TopologyMissing as error:
            found.append(str(error))
    if actual is None:
        return found
    expected = frozenset[Binding]().union(*(queue.bindings for queue in queues))
    prefix = IntegratorQueue.prefix(settings.exchange)
    theirs = {each for each in actual if each.destination.startswith(prefix) and each.source}
    found += [f"not bound: {each}: run `signpost topology apply`" for each in sorted(expected - theirs)]
    return found + [f"bound, and should not be: {each}" for each in sorted(theirs - expected)]


def disclose(event_type: str, student_id: UUID, *, uow: UnitOfWork) -> None:
    """Record that this student's event lies where integrators read it; whether one did, the broker does not tell."""
    rows = [
        {
            "at": uow.clock.now(),
            "person_id": reader.integrator_id,
            "role": "integrator",
            "student_id": student_id,
            "resource": "events",
            "reason": "amqp",
        }
        for reader in _readers(uow)
        if reader.reads_stream or rules.types_of(reader.events, known=[event_type])
    ]
    if rows:
        uow.session.execute(disclosure_log.insert(), rows)


def _readers(uow: UnitOfWork) -> Sequence[Row[Any]]:
    """Read once per transaction, which may hold hundreds of events."""
    if _READERS not in uow.session.info:
        uow.session.info[_READERS] = tables.all_integrators(uow.session)
    found: Sequence[Row[Any]] = uow.session.info[_READERS]
    return found


def _record(uow: UnitOfWork, name: str, patterns: list[str], *, reads_stream: bool, principal: Principal) -> None:
    if tables.find(uow.session, name) is not None:
        raise rules.AlreadyThere(f"There is an integrator {name} already. Next: signpost integrators show {name}")
    identity = stable_id("amqp-integrator", name)
    try:
        tables.insert(
            uow.session,
            name,
            integrator_id=identity,
            events=patterns,
            reads_stream=reads_stream,
            at=uow.clock.now(),
        )
    except IntegrityError:  # somebody else, at this moment
        raise rules.AlreadyThere(f"There is an integrator {name} already.") from None
    _note(uow, name, "added", principal, patterns)


def _withdraw(
    name: str, *, principal: Principal, database: Database, settings: Settings, broker: Administration, kind: str
) -> None:
    """The user first: nothing is read any more. The record last: until then disclosures are written."""
    with _as_far_as_possible(kind == "not_added"):
        broker.delete_user(_user(settings, name))
        with channel_to(str(settings.amqp_url)) as channel:
            _queue(settings, name, []).delete(channel)
    with database.transaction() as uow:
        row = tables.find(uow.session, name)
        tables.remove(uow.session, name)
        _note(uow, name, kind, principal, row.events if row else [])


@contextmanager
def _as_far_as_possible(is_undoing: bool) -> Iterator[None]:
    """What failed is the first failure's affair; a second one in tidying up would hide it."""
    try:
        yield
    except (AdministrationFailed, BrokerAway):
        if not is_undoing:
            raise


def _reading(settings: Settings, row: Row[Any], channel: Any) -> Reading:
    queue = _queue(settings, row.name, row.events)
    source = _source(settings, queue, reads_stream=row.reads_stream)
    state = None if row.reads_stream else queue.reading(channel)
    waiting, consumers = state or (None, None)
    types = frozenset(contracts()) if row.reads_stream else queue.types
    return Reading(row, _user(settings, row.name), source, types, waiting, consumers)


def _queues(database: Database, settings: Settings) -> list[IntegratorQueue]:
    with database.reading() as session:
        rows = tables.all_integrators(session)
    return [_queue(settings, row.name, row.events) for row in rows if not row.reads_stream]


def _queue(settings: Settings, name: str, patterns: Sequence[str]) -> IntegratorQueue:
    return IntegratorQueue.of(settings, name, rules.types_of(patterns, known=contracts().keys()))


def _user(settings: Settings, name: str) -> str:
    return rules.user_of(_queue(settings, name, []).queue, virtual_host_of(str(settings.amqp_url)))


def _source(settings: Settings, queue: IntegratorQueue, *, reads_stream: bool) -> str:
    return Topology(settings.exchange, {}).stream if reads_stream else queue.queue


def _require_stream(settings: Settings) -> None:
    stream = Topology(settings.exchange, {}).stream
    with channel_to(str(settings.amqp_url)) as channel:
        if not is_there(channel, stream):
            raise Conflict("There is no stream: set SIGNPOST_EVENT_STREAM=true everywhere and run topology apply.")


def _password() -> str:
    return secrets.token_urlsafe(PASSWORD_BYTES)


def _credentials(settings: Settings, user: str, password: str, queue: str) -> rules.Credentials:
    base = settings.amqp_public_url or str(settings.amqp_url)
    virtual_host = virtual_host_of(str(settings.amqp_url))
    url = rules.address(base, user=user, password=password, virtual_host=virtual_host)
    return rules.Credentials(user, password, queue, url)


def _note(uow: UnitOfWork, name: str, kind: str, principal: Principal, events: Sequence[str]) -> None:
    by = {"by_id": principal.person_id, "by_role": principal.role}
    tables.note(uow.session, name, kind, events=events, at=uow.clock.now(), **by)  # type: ignore[arg-type]
