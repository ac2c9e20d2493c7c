"""A repeated request gets the first one's answer; the same key with another request is refused."""

from hashlib import sha256
from uuid import UUID

from sqlalchemy import select, update

from shared.database.schema import insert
from shared.database.unit_of_work import UnitOfWork
from shared.problems import InvalidInput, Problem
from shared.web.calls import Reply
from shared.web.idempotency_table import idempotency_keys

HEADER = "Idempotency-Key"
LONGEST_KEY = 255


class IdempotencyKeyReused(Problem):
    """This Idempotency-Key was used for another request."""

    code = "idempotency-key-reused"
    status = 422


def fingerprint(method: str, path: str, body: bytes) -> str:
    return sha256(b"\x00".join([method.encode(), path.encode(), body])).hexdigest()


def earlier_reply(uow: UnitOfWork, *, person_id: UUID, key: str, fingerprint: str) -> Reply | None:
    """
    Claim a key for this transaction, or give the answer already made under it.

    A second request with the same key waits for the first's transaction, so at most one takes effect.

    Raises:
        IdempotencyKeyReused: The key belongs to another method, path or body.
        InvalidInput: The key is empty or too long.
    """
    if not 0 < len(key) <= LONGEST_KEY:
        raise InvalidInput(f"{HEADER} must have 1 to {LONGEST_KEY} characters; this one has {len(key)}.")
    claim = (
        insert(uow.session, idempotency_keys)
        .values(person_id=person_id, key=key, fingerprint=fingerprint, created_at=uow.clock.now())
        .on_conflict_do_nothing()
        .returning(idempotency_keys.c.key)
    )
    if uow.session.execute(claim).first() is not None:
        return None
    table = idempotency_keys
    row = uow.session.execute(select(table).where(table.c.person_id == person_id, table.c.key == key)).one()
    if row.fingerprint != fingerprint:
        raise IdempotencyKeyReused("Send a new key with a new request; repeat a key only with the very same request.")
    return Reply(row.body, status=row.status, headers={**row.headers, "Idempotent-Replayed": "true"})


def remember_reply(uow: UnitOfWork, *, person_id: UUID, key: str, reply: Reply) -> None:
    table = idempotency_keys
    uow.session.execute(
        update(table)
        .where(table.c.person_id == person_id, table.c.key == key)
        .values(status=reply.status, headers=reply.all_headers(), body=reply.content())
    )
