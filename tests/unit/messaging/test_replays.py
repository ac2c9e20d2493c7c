"""Handing events to one group again: which, how far it has come, and what the group makes of them."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from shared.database.database import Database
from shared.events.plans import PlanApproved, PlanSubmitted
from shared.messaging import replays
from shared.messaging.broker import BrokerAway
from shared.messaging.consumer import Consumer
from shared.messaging.embedded import EmbeddedBroker
from shared.messaging.history import Selection
from shared.messaging.message import Message
from shared.messaging.reactions import combine, reaction
from shared.messaging.relay import Relay, turn_for
from shared.messaging.replays import Replayer, ReplayRefused, Wanted
from shared.messaging.tables import inbox, outbox
from shared.problems import NotFound
from shared.testing import FakeClock
from shared.testing.databases import embedded_settings
from tests.support.ledger import count, emit, note_approval, noted, prepare

INBOX_DAYS = 90


class House:
    """`ledger` publishes, `mirror` and `other` note; the broker's room can be taken away."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        settings = embedded_settings(folder)
        prepare(settings)
        self.clock = clock
        self.ledger = Database.open(settings, "ledger", clock=clock)
        self.mirror = Database.open(settings, "mirror", clock=clock)
        self.reactions = combine([reaction(PlanApproved, note_approval)])
        self.consumer = Consumer(self.mirror, group="mirror", reactions=self.reactions, max_attempts=3)
        self.others: list[Message] = []
        self.broker = RoomyBroker()
        self.broker.subscribe("mirror", self.reactions, self.consumer.apply)
        self.broker.subscribe("other", self.reactions, self.others.extend)
        relay = Relay(self.ledger, self.broker, batch=50, turn=turn_for(self.ledger))
        self.publish = relay.drain
        self.replayer = self.new_replayer()
        self.close = relay.close

    def new_replayer(self, portion: int = 10) -> Replayer:
        reacts = {"mirror": [PlanApproved.event_type], "other": [PlanSubmitted.event_type]}
        return Replayer(self.ledger, self.broker, address=str, reacts=reacts, portion=portion)

    def ask(self, *ids: UUID, to: str = "mirror", again: bool = False, reason: str = "", **range_: object) -> UUID:
        selection = Selection([PlanApproved.event_type], event_ids=ids, **range_)  # type: ignore[arg-type]
        with self.ledger.transaction() as uow:
            wanted = Wanted(to, selection, again=again, reason=reason)
            return replays.request(uow, wanted, actor="ops", inbox_days=INBOX_DAYS).replay_id

    def carry_out(self) -> int:
        total = 0
        while portion := self.replayer.hand_over():
            total += portion
        return total

    def progress(self, replay_id: UUID) -> replays.Progress:
        with self.ledger.reading() as session:
            return replays.show(session, replay_id)


class RoomyBroker(EmbeddedBroker):
    waits = 0
    away_after: int | None = None

    def waiting(self, address: str) -> int:
        return self.waits

    def publish_to(self, address: str, batch: Sequence[Message]) -> None:
        if self.away_after is not None:
            self.away_after -= 1
            if self.away_after < 0:
                raise BrokerAway("cut")
        super().publish_to(address, batch)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    found = House(tmp_path, FakeClock())
    yield found
    found.close()
    found.ledger.dispose()
    found.mirror.dispose()


class TestReplay:
    def test_hands_to_its_group_alone_what_the_group_lost(self, house: House) -> None:
        ids = emit(house.ledger, 25)
        house.publish()
        house.others.clear()
        with house.mirror.transaction() as uow:
            uow.session.execute(inbox.delete().where(inbox.c.event_id.in_(ids[5:8])))

        replay_id = house.ask(*ids)
        handed = house.carry_out()

        assert handed == 25
        assert house.others == []
        assert list(noted(house.mirror)) == [*ids, *ids[5:8]]
        done = house.progress(replay_id)
        assert (done.state, done.found, done.sent, done.error) == ("done", 25, 25, None)

    def test_leaves_applied_once_what_is_applied(self, house: House) -> None:
        ids = emit(house.ledger, 12)
        house.publish()

        house.ask(*ids)
        house.carry_out()

        assert list(noted(house.mirror)) == ids

    def test_applies_again_on_purpose_once_for_each_request(self, house: House) -> None:
        [event] = emit(house.ledger, 1)
        house.publish()

        house.ask(event, again=True, reason="the note was lost")
        house.carry_out()
        with house.ledger.transaction() as uow:  # as if its progress had never been written
            uow.session.execute(update(replays.replays).values(state="running", position=0))
        house.carry_out()
        assert list(noted(house.mirror)) == [event] * 2

        house.ask(event, again=True, reason="once more")
        house.carry_out()

        assert list(noted(house.mirror)) == [event] * 3

    def test_needs_a_reason_for_again(self, house: House) -> None:
        [event] = emit(house.ledger, 1)
        house.publish()

        with pytest.raises(ReplayRefused, match="Say why"):
            house.ask(event, again=True, reason=" ")

        assert count(house.ledger, replays.replays) == 0

    def test_goes_on_where_it_was_interrupted(self, house: House) -> None:
        ids = emit(house.ledger, 45)
        house.publish()
        with house.mirror.transaction() as uow:
            uow.session.execute(inbox.delete())
        replay_id = house.ask(*ids)
        house.broker.away_after = 2

        with pytest.raises(BrokerAway):
            house.carry_out()
        assert house.progress(replay_id).sent == 20
        house.broker.away_after = None
        house.replayer = house.new_replayer()  # another process
        house.carry_out()

        assert list(noted(house.mirror)) == [*ids, *ids]
        assert house.progress(replay_id).sent == 45

    def test_waits_while_its_group_has_no_room(self, house: House) -> None:
        ids = emit(house.ledger, 5)
        house.publish()
        house.ask(*ids)
        house.broker.waits = replays.MOST_WAITING + 1

        assert house.replayer.hand_over() == 0
        assert house.replayer.is_busy
        house.broker.waits = 0
        assert house.replayer.hand_over() == 5
        assert house.replayer.hand_over() == 0
        assert not house.replayer.is_busy

    def test_takes_a_range_of_time(self, house: House) -> None:
        begun = house.clock.now()
        emit(house.ledger, 3)
        house.clock.advance(hours=1)
        wanted = emit(house.ledger, 2)
        house.clock.advance(hours=1)
        emit(house.ledger, 3)
        house.publish()
        with house.mirror.transaction() as uow:
            uow.session.execute(inbox.delete())

        house.ask(since=begun + timedelta(minutes=30), until=begun + timedelta(minutes=90))
        assert house.carry_out() == 2

        assert list(noted(house.mirror))[-2:] == wanted

    def test_leaves_what_is_published_after_it_was_asked_for(self, house: House) -> None:
        emit(house.ledger, 3)
        house.publish()
        house.ask(since=house.clock.now() - timedelta(days=1), until=house.clock.now() + timedelta(days=1))
        emit(house.ledger, 4)
        house.publish()

        assert house.carry_out() == 3

    def test_refuses_what_the_group_may_have_forgotten(self, house: House) -> None:
        ids = emit(house.ledger, 1)
        house.publish()
        house.clock.advance(days=INBOX_DAYS + 1)

        with pytest.raises(ReplayRefused, match="apply them a second time"):
            house.ask(*ids)
        house.ask(*ids, again=True, reason="rebuilt from a backup")

        assert house.carry_out() == 1

    def test_is_refused_for_a_group_that_does_not_react(self, house: House) -> None:
        ids = emit(house.ledger, 1)
        house.publish()

        replay_id = house.ask(*ids, to="other")
        assert house.carry_out() == 0

        refused = house.progress(replay_id)
        assert (refused.state, refused.error) == (
            "refused",
            "other reacts to none of these types; to them react: mirror",
        )

    def test_finds_nothing_where_there_is_nothing(self, house: House) -> None:
        with pytest.raises(NotFound):
            house.ask(uuid4())

    def test_stops_when_told(self, house: House) -> None:
        ids = emit(house.ledger, 15)
        house.publish()
        replay_id = house.ask(*ids)
        house.replayer.hand_over()

        with house.ledger.transaction() as uow:
            replays.stop(uow, replay_id)

        assert house.carry_out() == 0
        assert house.progress(replay_id).state == "stopped"
        with pytest.raises(NotFound), house.ledger.transaction() as uow:
            replays.stop(uow, replay_id)

    def test_is_on_record_with_who_and_why(self, house: House) -> None:
        [event] = emit(house.ledger, 1)
        house.publish()
        replay_id = house.ask(event, again=True, reason="the note was lost")

        with house.ledger.reading() as session:
            [row] = replays.recent(session)
            assert session.execute(select(outbox.c.event_id)).scalars().all() == [event]

        assert (row.replay_id, row.actor, row.reason, row.again) == (replay_id, "ops", "the note was lost", True)
