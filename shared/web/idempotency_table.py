"""Answers already given, by the client's own key, so that a repeated request is safe."""

from sqlalchemy import Column, Integer, LargeBinary, MetaData, String, Table, Uuid

from shared.database.schema import NAMING, Json, UtcDateTime

idempotency_metadata = MetaData(naming_convention=NAMING)

# Written in the transaction of the request it belongs to: a key without an answer is never seen.
idempotency_keys = Table(
    "idempotency_keys",
    idempotency_metadata,
    Column("person_id", Uuid, primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False, index=True),
    Column("status", Integer),
    Column("headers", Json),
    Column("body", LargeBinary),
)
