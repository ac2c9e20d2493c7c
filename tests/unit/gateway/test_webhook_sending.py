"""Events reach receivers by schedule, with one id, signed; hopeless receivers are left alone, others never."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from services.gateway.webhooks import deliveries as queue
from services.gateway.webhooks import handlers
from services.gateway.webhooks.rules import SCHEDULE_S
from services.gateway.webhooks.schemas import EndpointChange
from services.gateway.webhooks.tables import deliveries, secrets
from shared.auth.tables import disclosure_log
from shared.events.catalog import CourseRetired
from shared.events.roster import GuardianshipRevoked, StudentEnrolled
from shared.problems import Conflict, NotFound
from tests.support.receivers import Answer, Receiver, receiver, verified
from tests.unit.gateway.webhooks import ADMIN, OWNER, Hooks, hooks_in

DOWN, FINE = Answer(500), Answer(204)


@pytest.fixture
def hooks(tmp_path: Path) -> Iterator[Hooks]:
    with hooks_in(tmp_path) as opened:
        yield opened


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as opened:
        yield opened


class TestMessages:
    def test_are_signed_and_carry_the_event(self, hooks: Hooks, there: Receiver) -> None:
        endpoint = hooks.endpoint(there.url)
        event_id = hooks.happens()

        hooks.send()

        [got] = there.got
        assert verified(got, hooks.secret(endpoint))
        assert not verified(got, hooks.secret(hooks.endpoint(there.url)))
        assert got.event_id == got.document["id"] == event_id
        assert got.headers["webhook-timestamp"] == str(int(hooks.clock.now().timestamp()))
        assert got.document["type"] == "plans.plan.submitted.v1"
        assert got.document["data"].keys() == {"plan_id", "student_id", "version", "actor_id"}
        assert hooks.states(endpoint) == {event_id: "delivered"}

    def test_only_what_is_wanted_and_permitted(self, hooks: Hooks, there: Receiver) -> None:
        hooks.endpoint(there.url, ["plans.plan.*"])
        hooks.endpoint(there.url, ["*"])
        retired = hooks.happens(CourseRetired(course_id=uuid4(), code="MATH"))
        custody = hooks.happens(GuardianshipRevoked(guardianship_id=uuid4(), guardian_id=uuid4(), student_id=uuid4()))
        plan = hooks.happens()

        hooks.send()

        assert Counter(there.ids) == {retired: 1, plan: 2}
        assert custody not in there.ids

    def test_nothing_sealed_leaves(self, hooks: Hooks, there: Receiver) -> None:
        hooks.endpoint(there.url, ["roster.student.*"])
        hooks.happens(
            StudentEnrolled(
                student_id=uuid4(),
                school_id=uuid4(),
                grade=9,
                graduation_year=2030,
                home_language="en",
                sealed_name="gAAAAcanary",
            )
        )

        hooks.send()

        [got] = there.got
        assert got.document["data"]["grade"] == 9
        assert b"sealed" not in got.body
        assert b"canary" not in got.body

    def test_each_student_told_of_is_disclosed_once(self, hooks: Hooks, there: Receiver) -> None:
        endpoint = hooks.endpoint(there.url, ["plans.plan.*", "catalog.*"])
        there.answers(DOWN, FINE)
        hooks.happens()
        hooks.happens(CourseRetired(course_id=uuid4(), code="MATH"))
        hooks.send_until(hooks.clock.now() + timedelta(seconds=6))

        students = {got.document["data"].get("student_id") for got in there.got} - {None}
        with hooks.database.reading() as session:
            disclosed = session.execute(select(disclosure_log)).all()
        assert set(hooks.states(endpoint).values()) == {"delivered"}
        assert [str(row.student_id) for row in disclosed] == list(students)
        assert (disclosed[0].person_id, disclosed[0].resource) == (OWNER.person_id, "events")

    def test_nothing_is_disclosed_to_a_receiver_that_is_not_there(self, hooks: Hooks, there: Receiver) -> None:
        hooks.endpoint(there.url)
        there.close()
        hooks.happens()
        hooks.send()

        with hooks.database.reading() as session:
            assert session.execute(select(disclosure_log)).all() == []

    def test_an_event_that_comes_twice_is_sent_once(self, hooks: Hooks, there: Receiver) -> None:
        hooks.endpoint(there.url)
        event_id = UUID(hooks.happens())
        with hooks.database.transaction() as uow:
            row = uow.session.execute(select(deliveries)).one()
            again = deliveries.insert().prefix_with("OR IGNORE").values({**row._mapping, "delivery_id": uuid4()})
            uow.session.execute(again)

        hooks.send()

        assert there.ids == [str(event_id)]


class TestRotation:
    def rotate(self, hooks: Hooks, endpoint: UUID, hours: float) -> None:
        with hooks.database.transaction() as uow:
            handlers.rotate_secret(
                endpoint, overlap=timedelta(hours=hours), principal=OWNER, settings=hooks.settings, uow=uow
            )

    def test_both_secrets_sign_while_they_overlap(self, hooks: Hooks, there: Receiver) -> None:
        endpoint = hooks.endpoint(there.url)
        old = hooks.secret(endpoint)
        self.rotate(hooks, endpoint, 24)
        new = hooks.secret(endpoint)

        hooks.happens()
        hooks.send()
        hooks.clock.advance(hours=24, seconds=1)
        hooks.happens()
        hooks.send()

        during, afterwards = there.got
        assert old != new
        assert verified(during, old)
        assert verified(during, new)
        assert verified(afterwards, new)
        assert not verified(afterwards, old)

    def test_a_leaked_secret_ends_at_once(self, hooks: Hooks, there: Receiver) -> None:
        endpoint = hooks.endpoint(there.url)
        old = hooks.secret(endpoint)
        self.rotate(hooks, endpoint, 0)

        hooks.happens()
        hooks.send()

        assert not verified(there.got[0], old)

    def test_three_at_most_sign(self, hooks: Hooks, there: Receiver) -> None:
        endpoint = hooks.endpoint(there.url)
        for _ in range(5):
            self.rotate(hooks, endpoint, 24)

        hooks.happens()
        hooks.send()

        assert len(there.got[0].headers["webhook-signature"].split(" ")) == 3

    def test_secrets_are_encrypted_where_they_are_kept(self, hooks: Hooks, there: Receiver) -> None:
        endpoint = hooks.endpoint(there.url)
        with hooks.database.reading() as session:
            [kept] = session.scalars(select(secrets.c.locked)).all()

        assert hooks.secret(endpoint).startswith("whsec_")
        assert "whsec" not in kept
        files = b"".join(path.read_bytes() for path in hooks.settings.home.glob("gateway.sqlite3*"))
        assert hooks.secret(endpoint).removeprefix("whsec_").encode() not in files


class TestSchedule:
    def test_a_receiver_down_for_an_hour_gets_everything_with_the_same_ids(self, hooks: Hooks, there: Receiver) -> None:
        endpoint, began = hooks.endpoint(there.url), hooks.clock.now()
        back_at = began + timedelta(hours=1)
        there.behave = lambda _: FINE if hooks.clock.now() >= back_at else DOWN
        events = []
        for _ in range(12):  # one every five minutes
            events.append(hooks.happens())
            hooks.send_until(hooks.clock.now() + timedelta(minutes=5))
        hooks.send_until(began + timedelta(hours=4))

        assert hooks.states(endpoint) == dict.fromkeys(events, "delivered")
        tries = Counter(there.ids)
        assert set(tries) == set(events)
        assert tries[events[0]] == 5  # at 0 s, 5 s, 5 min, 35 min, 2 h 35 min
        assert hooks.row(endpoint).failing_since is None
        bodies = {got.event_id: got.body for got in there.got}
        assert all(got.body == bodies[got.event_id] for got in there.got)

    def test_each_try_comes_when_the_schedule_says(self, hooks: Hooks, there: Receiver) -> None:
        endpoint, began = hooks.endpoint(there.url), hooks.clock.now()
        tried_at = []

        def behave(_: object) -> Answer:
            tried_at.append((hooks.clock.now() - began).total_seconds())
            return DOWN

        there.behave = behave
        event_id = hooks.happens()
        hooks.send_until(began + timedelta(days=5))

        waits = [later - earlier for earlier, later in zip([0.0, *tried_at], tried_at, strict=False)]
        assert len(waits) == len(SCHEDULE_S)
        for wait, least in zip(waits, SCHEDULE_S, strict=True):
            assert least <= wait <= least * 1.2
        detail = hooks.detail(endpoint, event_id)
        assert (detail.state, detail.attempts, detail.reason) == ("failed", 8, "status_500")
        assert [each.status for each in detail.log] == [500] * 8
        assert hooks.row(endpoint).state == "active"

    def test_retry_after_is_kept_and_lets_the_endpoint_rest(self, hooks: Hooks, there: Receiver) -> None:
        endpoint, began = hooks.endpoint(there.url), hooks.clock.now()
        there.answers(Answer(429, {"Retry-After": "90"}), FINE)
        first = hooks.happens()
        hooks.send()
        second = hooks.happens()

        hooks.send_until(began + timedelta(seconds=89))
        assert there.ids == [first]
        hooks.send_until(began + timedelta(seconds=91))

        assert sorted(there.ids[1:]) == sorted([first, second])
        assert set(hooks.states(endpoint).values()) == {"delivered"}

    @pytest.mark.parametrize("answer", [Answer(302, {"Location": "/"}), Answer(reset=True), Answer(404)])
    def test_what_is_not_2xx_is_tried_again(self, hooks: Hooks, there: Receiver, answer: Answer) -> None:
        hooks.endpoint(there.url)
        there.answers(answer, FINE)
        event_id = hooks.happens()

        hooks.send_until(hooks.clock.now() + timedelta(seconds=6))

        assert there.ids == [event_id, event_id]

    def test_a_receiver_that_is_not_there_is_tried_again(self, hooks: Hooks, there: Receiver) -> None:
        endpoint = hooks.endpoint(there.url)
        there.close()
        event_id = hooks.happens()

        hooks.send()

        assert hooks.detail(endpoint, event_id).reason == "connection_refused"
        assert hooks.states(endpoint) == {event_id: "queued"}


class TestDisabling:
    def test_gone_disables_at_once(self, hooks: Hooks, there: Receiver) -> None:
        endpoint = hooks.endpoint(there.url)
        there.answers(Answer(410))
        first, second = hooks.happens(), hooks.happens()

        hooks.send()
        hooks.happens()
        hooks.send_until(hooks.clock.now() + timedelta(days=2))

        row = hooks.row(endpoint)
        assert (row.state, row.reason, row.stopped_by) == ("disabled", "gone", "signpost")
        assert hooks.changes(endpoint) == ["created", "disabled"]
        assert hooks.states(endpoint) == {first: "failed", second: "failed"}
        assert len(there.got) <= 2  # both were under way

    def test_five_days_of_unbroken_failure_disable(self, hooks: Hooks, there: Receiver) -> None:
        endpoint, began = hooks.endpoint(there.url), hooks.clock.now()
        there.answers(DOWN)
        disabled_at = None
        while disabled_at is None and hooks.clock.now() < began + timedelta(days=7):
            hooks.happens()
            hooks.send_until(hooks.clock.now() + timedelta(hours=4))
            disabled_at = hooks.clock.now() if hooks.row(endpoint).state == "disabled" else None

        assert disabled_at is not None
        assert timedelta(days=5) <= disabled_at - began <= timedelta(days=5, hours=4)
        assert hooks.row(endpoint).reason == "failing"
        assert hooks.changes(endpoint) == ["created", "failing", "disabled"]  # warned of after a day
        assert set(hooks.states(endpoint).values()) == {"failed"}
        sent = len(there.got)
        hooks.happens()
        hooks.send_until(hooks.clock.now() + timedelta(days=1))
        assert len(there.got) == sent

    def test_sporadic_failure_never_does(self, hooks: Hooks, there: Receiver) -> None:
        """Nine of ten tries fail, for three weeks."""
        endpoint, began = hooks.endpoint(there.url), hooks.clock.now()
        tries = iter(range(1_000_000))
        there.behave = lambda _: FINE if next(tries) % 10 == 9 else DOWN
        while hooks.clock.now() < began + timedelta(days=21):
            hooks.happens()
            hooks.send_until(hooks.clock.now() + timedelta(hours=8))

        assert hooks.row(endpoint).state == "active"
        assert "disabled" not in hooks.changes(endpoint)

    def test_a_failure_after_weeks_of_silence_does_not(self, hooks: Hooks, there: Receiver) -> None:
        """The last event long ago was lost for good; the next one only needs a second try."""
        endpoint, began = hooks.endpoint(there.url), hooks.clock.now()
        there.answers(*[DOWN] * 9, FINE)
        hooks.happens()
        hooks.send_until(began + timedelta(days=30))
        event_id = hooks.happens()
        hooks.send_until(began + timedelta(days=31))

        assert hooks.states(endpoint)[event_id] == "delivered"
        assert hooks.row(endpoint).state == "active"

    def test_a_person_may_resume_and_have_the_lost_time_sent(self, hooks: Hooks, there: Receiver) -> None:
        endpoint, began = hooks.endpoint(there.url), hooks.clock.now()
        there.answers(Answer(410), FINE)
        before = hooks.happens()
        hooks.send()
        hooks.clock.advance(hours=1)
        meanwhile = hooks.happens()

        with hooks.database.transaction() as uow:
            handlers.resume(endpoint, principal=OWNER, uow=uow)
            now = hooks.clock.now()
            count = queue.resend_range(
                endpoint, since=began, until=now + timedelta(seconds=1), only_undelivered=True, uow=uow
            )
        hooks.send()

        assert count == 2
        assert hooks.states(endpoint) == {before: "delivered", meanwhile: "delivered"}
        assert there.ids.count(before) == 2


class TestPausing:
    def test_queues_what_happens_and_sends_it_later(self, hooks: Hooks, there: Receiver) -> None:
        endpoint = hooks.endpoint(there.url)
        with hooks.database.transaction() as uow:
            handlers.pause(endpoint, principal=OWNER, uow=uow)
        event_id = hooks.happens()
        hooks.send()
        assert there.got == []

        with hooks.database.transaction() as uow:
            handlers.resume(endpoint, principal=OWNER, uow=uow)
        hooks.send()

        assert there.ids == [event_id]


class TestResending:
    def test_one_event_under_the_same_id(self, hooks: Hooks, there: Receiver) -> None:
        endpoint = hooks.endpoint(there.url)
        event_id = hooks.happens()
        hooks.send()
        with hooks.database.transaction() as uow:
            queue.resend(endpoint, UUID(event_id), uow=uow)
        hooks.send()

        assert there.ids == [event_id, event_id]
        assert len(hooks.detail(endpoint, event_id).log) == 2

    def test_a_time_with_or_without_what_was_delivered(self, hooks: Hooks, there: Receiver) -> None:
        endpoint, began = hooks.endpoint(there.url), hooks.clock.now()
        for _ in range(3):
            hooks.happens()
            hooks.clock.advance(hours=1)
        hooks.send()

        def again(*, only_undelivered: bool) -> int:
            with hooks.database.transaction() as uow:
                return queue.resend_range(
                    endpoint,
                    since=began,
                    until=began + timedelta(hours=2),
                    only_undelivered=only_undelivered,
                    uow=uow,
                )

        assert again(only_undelivered=True) == 0
        assert again(only_undelivered=False) == 2
        hooks.send()
        assert len(there.got) == 5

    def test_not_what_is_no_longer_permitted(self, hooks: Hooks, there: Receiver) -> None:
        endpoint, began = hooks.endpoint(there.url), hooks.clock.now()
        event_id = UUID(hooks.happens())
        hooks.send()
        with hooks.database.transaction() as uow:
            narrowed = EndpointChange(allowed_events=["catalog.*"])
            handlers.change(endpoint, narrowed, version=1, principal=ADMIN, settings=hooks.settings, uow=uow)

        with hooks.database.transaction() as uow:
            until = began + timedelta(days=1)
            assert queue.resend_range(endpoint, since=began, until=until, only_undelivered=False, uow=uow) == 0
            with pytest.raises(NotFound):
                queue.resend(endpoint, event_id, uow=uow)

    def test_a_test_event_is_delivered_like_any_other(self, hooks: Hooks, there: Receiver) -> None:
        endpoint = hooks.endpoint(there.url)
        with hooks.database.transaction() as uow:
            event_id = queue.queue_test(endpoint, uow=uow)
        hooks.send()

        [got] = there.got
        assert (got.event_id, got.document["type"]) == (str(event_id), "gateway.webhook.tested.v1")
        assert verified(got, hooks.secret(endpoint))

    def test_not_to_an_endpoint_that_is_stopped(self, hooks: Hooks, there: Receiver) -> None:
        endpoint = hooks.endpoint(there.url)
        with hooks.database.transaction() as uow:
            handlers.pause(endpoint, principal=OWNER, uow=uow)
        with hooks.database.transaction() as uow, pytest.raises(Conflict):
            queue.queue_test(endpoint, uow=uow)
