"""Events of older versions, read as the newest: from the committed examples on."""

import json
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import pytest

from shared.database.database import Database
from shared.database.unit_of_work import UnitOfWork
from shared.events import contract as contract_module
from shared.events import upcasting
from shared.events.contract import Event, contracts
from shared.events.envelope import Envelope
from shared.events.export import EXAMPLES, example_of
from shared.events.personal import RECORD, PersonalId
from shared.events.plans import PlanApproved
from shared.events.upcasting import NoWay, Payload, older_versions, upcast, upcasters, upcasts
from shared.messaging.consumer import Consumer
from shared.messaging.message import Message, Unreadable
from shared.messaging.operations.dead_letters import list_dead_letters
from shared.messaging.rabbitmq.topology import Topology
from shared.messaging.reactions import Received, combine, reaction
from shared.testing import sqlite_database

V1, V2, V3 = (f"plans.plan.approved.v{major}" for major in (1, 2, 3))


class Versions:
    """Later versions of a real contract, as they would stand beside it; declared for one test."""

    def __init__(self) -> None:
        class PlanApprovedV2(Event, type=V2, subject="plan_id", about="student_id"):
            """The counselor approved; says so of whom in a shape of its own."""

            plan_id: PersonalId
            student_id: PersonalId
            approved_version: Annotated[int, RECORD]
            by: dict[str, UUID]

        class PlanApprovedV3(PlanApprovedV2, type=V3, subject="plan_id", about="student_id"):
            """The same with the reason."""

            reason: Annotated[str, RECORD]

        @upcasts(V1)
        def upcast_v1_v2(payload: Payload) -> Payload:
            return {
                "plan_id": payload["plan_id"],
                "student_id": payload["student_id"],
                "approved_version": payload["version"],
                "by": {"counselor": payload["actor_id"]},
            }

        @upcasts(V2)
        def upcast_v2_v3(payload: Payload) -> Payload:
            return {**payload, "reason": "unknown"}

        self.v2: type[Event] = PlanApprovedV2
        self.v3: type[Event] = PlanApprovedV3


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> Versions:
    monkeypatch.setattr(contract_module, "_contracts", dict(contract_module._contracts))
    monkeypatch.setattr(upcasting, "_upcasters", dict(upcasting._upcasters))
    return Versions()


def message_of(event_type: str, data: Any | None = None) -> Message:
    """The committed example as it travels."""
    example = example_of(event_type)
    headers = Envelope.model_validate(example["envelope"]).headers()
    return Message(headers=headers, body=json.dumps(example["data"] if data is None else data).encode())


class TestRegistered:
    @pytest.mark.parametrize("event_type", sorted(upcasters()))
    def test_read_their_committed_example_as_the_newest_version(self, event_type: str) -> None:
        newest = max(
            (each for each in contracts() if event_type in older_versions(each)),
            key=lambda each: int(each.rpartition(".v")[2]),
        )

        message_of(event_type).received(contracts()[newest])

    def test_keep_the_example_of_every_version_they_read(self) -> None:
        assert [each for each in upcasters() if not (EXAMPLES / f"{each}.json").exists()] == []


class TestUpcast:
    def test_leads_from_the_committed_example_to_each_later_version(self, versions: Versions) -> None:
        for contract in (versions.v2, versions.v3):
            received = message_of(V1).received(contract)

            assert isinstance(received.event, contract)
            assert received.event.model_dump(mode="json")["approved_version"] == example_of(V1)["data"]["version"]
            assert received.envelope.type == contract.event_type
            assert str(received.envelope.id) == example_of(V1)["envelope"]["id"]

    def test_does_not_touch_what_is_of_the_wanted_version(self, versions: Versions) -> None:
        assert message_of(V1).received(PlanApproved).event == PlanApproved.model_validate(example_of(V1)["data"])

    def test_never_changes_what_it_is_given(self, versions: Versions) -> None:
        payload = example_of(V1)["data"]

        upcast(payload, written_as=V1, wanted=V3)

        assert payload == example_of(V1)["data"]

    @pytest.mark.parametrize(("written_as", "wanted"), [(V2, V1), (V1, "plans.plan.submitted.v2"), (V1, "x.y.z.v2")])
    def test_knows_no_way_back_or_across(self, versions: Versions, written_as: str, wanted: str) -> None:
        with pytest.raises(NoWay):
            upcast({}, written_as=written_as, wanted=wanted)

    def test_names_no_value_when_it_stumbles(self, versions: Versions) -> None:
        with pytest.raises(Unreadable) as refusal:
            message_of(V1, {"plan_id": "Maria"}).received(versions.v2)

        assert "KeyError" in str(refusal.value)
        assert "Maria" not in str(refusal.value)

    @pytest.mark.parametrize("body", [[], "text", None, 7])
    def test_refuses_what_is_no_payload(self, versions: Versions, body: Any) -> None:
        with pytest.raises(Unreadable):
            Message(headers=message_of(V1).headers, body=json.dumps(body).encode()).received(versions.v2)


class TestDeclaring:
    def test_is_refused_under_a_wrong_name_or_twice(self, versions: Versions) -> None:
        def upcast_v1_v2(payload: Payload) -> Payload:
            return payload

        with pytest.raises(ValueError, match="upcast_v3_v4"):
            upcasts(V3)(upcast_v1_v2)
        with pytest.raises(ValueError, match="two upcasters"):
            upcasts(V1)(upcast_v1_v2)
        with pytest.raises(ValueError, match="is not <service>"):
            upcasts("plans")


class TestReacting:
    def test_to_the_newest_version_binds_the_older_ones(self, versions: Versions) -> None:
        reactions = combine([reaction(versions.v3, _note)])

        topology = Topology.of("x", {"group": reactions})

        assert topology.groups["group"] == {V1, V2, V3}

    def test_to_an_older_version_itself_goes_before(self, versions: Versions) -> None:
        reactions = combine([reaction(versions.v3, _note), reaction(PlanApproved, _note)])

        assert reactions[V1].contract is PlanApproved
        assert reactions[V2].contract is versions.v3

    def test_applies_an_old_event_once_as_the_new_one(self, versions: Versions, tmp_path: Path) -> None:
        seen: list[Received[Event]] = []
        consumer = _consumer(sqlite_database("plans", tmp_path), versions.v3, seen)

        consumer.apply([message_of(V1)])
        consumer.apply([message_of(V1)])

        assert [type(each.event) for each in seen] == [versions.v3]

    def test_keeps_an_old_event_that_cannot_be_upcast(self, versions: Versions, tmp_path: Path) -> None:
        database = sqlite_database("plans", tmp_path)
        consumer = _consumer(database, versions.v3, [])

        consumer.apply([message_of(V1, {"plan_id": "x"})])

        assert [letter.type for letter in list_dead_letters(database)] == [V1]


def _note(received: Received[Event], *, uow: UnitOfWork) -> None:
    """Reacts to nothing."""


def _consumer(database: Database, contract: type[Event], seen: list[Received[Event]]) -> Consumer:
    def note(received: Received[Event], *, uow: UnitOfWork) -> None:
        seen.append(received)

    return Consumer(database, group="mirror", reactions=combine([reaction(contract, note)]), max_attempts=3)
