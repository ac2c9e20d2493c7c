"""Answers kept for repeated requests: given again to whoever has the key, readable to nobody else."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import select

from shared.database.database import Database
from shared.testing import sqlite_database
from shared.web.calls import Reply
from shared.web.idempotency import IdempotencyKeyReused, earlier_reply, remember_reply
from shared.web.idempotency_table import idempotency_keys

PERSON, KEY = uuid4(), "f5b1c2de-maya"
ANSWER = Reply(b'{"email":"maya@example.org"}', status=201, etag="3", headers={"Correlation-Id": "c1"})


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = sqlite_database("plans", tmp_path)
    yield opened
    opened.dispose()


def answer(database: Database, key: str = KEY, *, reply: Reply = ANSWER) -> None:
    with database.transaction() as uow:
        assert earlier_reply(uow, person_id=PERSON, key=key, fingerprint="one") is None
        remember_reply(uow, person_id=PERSON, key=key, reply=reply)


def again(database: Database, key: str = KEY, *, fingerprint: str = "one") -> Reply | None:
    with database.transaction() as uow:
        return earlier_reply(uow, person_id=PERSON, key=key, fingerprint=fingerprint)


class TestARepeatedRequest:
    def test_gets_the_answer_as_it_was(self, database: Database) -> None:
        answer(database)

        repeated = again(database)

        assert repeated is not None
        assert (repeated.status, repeated.content()) == (201, ANSWER.content())
        assert repeated.headers == {"Correlation-Id": "c1", "ETag": '"3"', "Idempotent-Replayed": "true"}

    def test_gets_an_answer_without_a_body(self, database: Database) -> None:
        answer(database, reply=Reply(status=204))

        repeated = again(database)

        assert repeated is not None
        assert (repeated.status, repeated.body) == (204, None)

    def test_is_refused_if_it_is_another(self, database: Database) -> None:
        answer(database)

        with pytest.raises(IdempotencyKeyReused):
            again(database, fingerprint="two")

    def test_may_have_a_key_that_is_no_text(self, database: Database) -> None:
        answer(database, "\udcff\udcfe")

        assert again(database, "\udcff\udcfe") is not None
        with database.transaction() as uow:
            assert earlier_reply(uow, person_id=PERSON, key="\udcff", fingerprint="one") is None


def test_neither_key_nor_answer_is_kept_in_the_clear(database: Database) -> None:
    answer(database)

    with database.reading() as session:
        row = session.execute(select(idempotency_keys)).one()

    kept = " ".join(map(str, row))
    assert "maya" not in kept
    assert len(row.body) == 12 + len(ANSWER.content()) + 16
