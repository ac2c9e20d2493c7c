"""
A repeated request gets the first one's answer; the same key with another request is refused.

Answers may hold names and addresses. They are kept encrypted with the client's key, of which only a digest is
kept: whoever has the database, and the deployment's keys too, cannot read them while the key is not guessed.
"""

import secrets
from hashlib import sha256
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import select, update

from shared.database.schema import insert
from shared.database.unit_of_work import UnitOfWork
from shared.problems import InvalidInput, Problem
from shared.web.calls import Reply
from shared.web.idempotency_table import idempotency_keys

HEADER = "Idempotency-Key"
LONGEST_KEY = 255
NONCE_BYTES = 12


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
    kept = {"person_id": person_id, "key": _digest(key)}
    mark = _digest(f"{key} {fingerprint}")
    claim = (
        insert(uow.session, idempotency_keys)
        .values(**kept, fingerprint=mark, created_at=uow.clock.now())
        .on_conflict_do_nothing()
        .returning(idempotency_keys.c.key)
    )
    if uow.session.execute(claim).first() is not None:
        return None
    row = uow.session.execute(select(idempotency_keys).filter_by(**kept)).one()
    if row.fingerprint != mark:
        raise IdempotencyKeyReused("Send a new key with a new request; repeat a key only with the very same request.")
    body = _opened(bytes(row.body), key) if row.body else None
    return Reply(body, status=row.status, headers={**row.headers, "Idempotent-Replayed": "true"})


def remember_reply(uow: UnitOfWork, *, person_id: UUID, key: str, reply: Reply) -> None:
    uow.session.execute(
        update(idempotency_keys)
        .filter_by(person_id=person_id, key=_digest(key))
        .values(status=reply.status, headers=reply.all_headers(), body=_sealed(reply.content(), key))
    )


def _digest(text: str) -> str:
    return sha256(_bytes(text)).hexdigest()


def _bytes(text: str) -> bytes:
    """A header as it was sent: what is no UTF-8 in it comes as half characters."""
    return text.encode("utf-8", "surrogateescape")


def _sealed(content: bytes, key: str) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + _cipher(key).encrypt(nonce, content, None) if content else b""


def _opened(stored: bytes, key: str) -> bytes:
    return _cipher(key).decrypt(stored[:NONCE_BYTES], stored[NONCE_BYTES:], None)


def _cipher(key: str) -> AESGCM:
    return AESGCM(sha256(b"idempotent reply\0" + _bytes(key)).digest())
