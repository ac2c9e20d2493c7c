"""Patterns, addresses as registered, the schedule, and when an endpoint is given up on."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.webhooks.rules import (
    SCHEDULE_S,
    Attempt,
    Ledger,
    PatternUnknown,
    Streak,
    UrlRefused,
    after,
    checked_patterns,
    checked_url,
    is_sent,
    may_resume,
    message_body,
    outcome_of,
    retry_after_s,
)
from shared.events.contract import contracts
from shared.events.patterns import reaches

NOW = datetime(2026, 9, 15, 15, 0, tzinfo=UTC)
FAILED, DELIVERED = Attempt("status_500", 500), Attempt("delivered", 204)


class TestPatterns:
    @pytest.mark.parametrize(
        ("pattern", "event_type", "matched"),
        [
            ("plans.plan.revised.v1", "plans.plan.revised.v1", True),
            ("plans.plan.revised.v1", "plans.plan.revised.v2", False),
            ("plans.plan.*", "plans.plan.revised.v1", True),
            ("plans.plan.*", "plans.audit.flipped.v1", False),
            ("plans.*", "plans.audit.flipped.v1", True),
            ("plans.*.revised.v1", "plans.plan.revised.v1", True),
            ("plans.*.revised.v1", "plans.plan.submitted.v1", False),
            ("*", "plans.plan.revised.v1", True),
            ("plans.plan", "plans.plan.revised.v1", False),
            ("plans.plan.revised", "plans.plan.revised.v1", False),
            ("plan", "plans.plan.revised.v1", False),
            ("*", "roster.guardianship.restricted.v1", False),
            ("roster.*", "roster.guardianship.restricted.v1", False),
            ("roster.*.restricted.v1", "roster.guardianship.restricted.v1", False),
            ("roster.guardianship.*", "roster.guardianship.restricted.v1", True),
        ],
    )
    def test_cover(self, pattern: str, event_type: str, matched: bool) -> None:
        assert reaches(pattern, event_type) == matched

    def test_both_sides_decide(self) -> None:
        assert is_sent("plans.plan.revised.v1", events=["*"], allowed=["plans.*"])
        assert not is_sent("catalog.course.retired.v1", events=["*"], allowed=["plans.*"])
        assert not is_sent("plans.plan.revised.v1", events=["plans.goal.*"], allowed=["plans.*"])
        assert not is_sent("plans.plan.revised.v1", events=["*"], allowed=[])

    @pytest.mark.parametrize(
        "pattern", ["", "plans.", "Plans.*", "plans.plan.#", "nobody.*", "plans.plan.revised.v9", "a b"]
    )
    def test_that_fit_nothing_are_refused(self, pattern: str) -> None:
        with pytest.raises(PatternUnknown):
            checked_patterns([pattern], known=contracts())

    @given(st.text(max_size=30))
    def test_anything_is_refused_or_fits_something(self, pattern: str) -> None:
        try:
            [kept] = checked_patterns([pattern], known=contracts())
        except PatternUnknown:
            return
        assert any(reaches(kept, each) for each in contracts())


class TestUrls:
    @pytest.mark.parametrize(
        "url",
        [
            "http://example.org/",
            "ftp://example.org/",
            "https://",
            "https:///path",
            "example.org",
            "https://user@example.org/",
            "https://user:word@example.org/",
            "https://example.org/#part",
            "https://example.org:22/",
            "https://example.org:0/",
            "https://example.org:99999/",
            "https://example.org/a b",
            "https://example.org/a\r\nX-Injected: 1",
            "https://exämple.org/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://169.254.169.254/latest/meta-data/",
            "https://2130706433/",
            "https://[::1",
        ],
    )
    def test_refused(self, url: str) -> None:
        with pytest.raises(UrlRefused):
            checked_url(url, allow_local=False, ports=(443, 8443))

    @pytest.mark.parametrize("url", ["https://example.org/hooks?a=1", "https://example.org:8443/", "https://8.8.8.8/"])
    def test_permitted(self, url: str) -> None:
        assert checked_url(url, allow_local=False, ports=(443, 8443)).scheme == "https"

    def test_the_local_setting_permits_this_machine_alone(self) -> None:
        assert checked_url("http://127.0.0.1:8000/", allow_local=True, ports=()).port == 8000
        with pytest.raises(UrlRefused):
            checked_url("http://10.0.0.1:8000/", allow_local=True, ports=())


class TestSchedule:
    def test_is_the_one_of_standard_webhooks(self) -> None:
        ledger, at, waits = Ledger("queued", 0, NOW), NOW, []
        while ledger.next_attempt_at is not None:
            waits.append((ledger.next_attempt_at - at).total_seconds())
            at = ledger.next_attempt_at
            ledger = after(ledger, FAILED, now=at, jitter=0)

        assert waits == [0, 5, 300, 1800, 7200, 18000, 36000, 36000]
        assert (ledger.state, ledger.attempts, ledger.reason) == ("failed", 8, "status_500")

    @given(tries=st.integers(0, 6), jitter=st.floats(0, 1))
    def test_jitter_stretches_by_at_most_a_fifth(self, tries: int, jitter: float) -> None:
        next_at = after(Ledger("queued", tries, NOW), FAILED, now=NOW, jitter=jitter).next_attempt_at

        assert next_at is not None
        assert SCHEDULE_S[tries + 1] <= (next_at - NOW).total_seconds() <= SCHEDULE_S[tries + 1] * 1.2 + 1e-6

    def test_a_success_ends_it(self) -> None:
        assert after(Ledger("queued", 3, NOW), DELIVERED, now=NOW, jitter=0) == Ledger("delivered", 4, None, NOW)

    def test_gone_ends_it(self) -> None:
        ledger = after(Ledger("queued", 0, NOW), outcome_of(410, None, now=NOW), now=NOW, jitter=0)

        assert (ledger.state, ledger.reason) == ("failed", "gone")

    @pytest.mark.parametrize(
        ("header", "wait_s"),
        [
            ("120", 120),
            (" 7 ", 7),
            ("Tue, 15 Sep 2026 15:02:00 GMT", 120),
            ("Tue, 15 Sep 2026 14:00:00 GMT", 0),
            ("999999999999", 86400),
            ("Tue, 15 Sep 2099 15:02:00 GMT", 86400),
            ("soon", None),
            ("-5", None),
            ("", None),
        ],
    )
    def test_reads_retry_after(self, header: str, wait_s: float | None) -> None:
        assert retry_after_s(header, now=NOW) == wait_s

    def test_never_before_retry_after_nor_before_the_schedule(self) -> None:
        asked_later = after(Ledger("queued", 0, NOW), outcome_of(503, "120", now=NOW), now=NOW, jitter=0)
        asked_sooner = after(Ledger("queued", 1, NOW), outcome_of(503, "1", now=NOW), now=NOW, jitter=0)

        assert asked_later.next_attempt_at == NOW + timedelta(seconds=120)
        assert asked_sooner.next_attempt_at == NOW + timedelta(seconds=300)

    @pytest.mark.parametrize(
        ("status", "outcome"),
        [(200, "delivered"), (299, "delivered"), (301, "redirect"), (304, "redirect"), (404, "status_404")],
    )
    def test_only_2xx_is_delivered(self, status: int, outcome: str) -> None:
        assert outcome_of(status, None, now=NOW).outcome == outcome


class TestStreak:
    def test_any_success_ends_it(self) -> None:
        streak = Streak().after(FAILED, now=NOW).after(FAILED, now=NOW).after(DELIVERED, now=NOW)

        assert (streak.failing_since, streak.failures_in_row, streak.last_success_at) == (None, 0, NOW)

    def test_our_own_failures_do_not_count(self) -> None:
        assert Streak().after(Attempt("failed_here", is_ours=True), now=NOW) == Streak()

    def test_is_hopeless_after_five_days(self) -> None:
        streak = Streak().after(FAILED, now=NOW)

        assert not streak.is_hopeless(3, now=NOW + timedelta(days=5, seconds=-1))
        assert streak.is_hopeless(3, now=NOW + timedelta(days=5))

    def test_one_more_failure_after_days_of_silence_is_not_enough(self) -> None:
        streak = Streak().after(FAILED, now=NOW)

        assert not streak.is_hopeless(1, now=NOW + timedelta(days=60))

    def test_a_busy_receiver_rests(self) -> None:
        streak = Streak().after(Attempt("status_429", 429, 90.0), now=NOW)

        assert streak.rest_until == NOW + timedelta(seconds=90)
        assert Streak().after(Attempt("status_500", 500, 90.0), now=NOW).rest_until is None


def test_who_may_resume() -> None:
    assert all(may_resume("district_admin", by) for by in ("integrator", "ops", "district_admin", "signpost"))
    assert [by for by in ("integrator", "ops", "district_admin", "signpost") if may_resume("ops", by)] == ["ops"]
    assert [by for by in ("integrator", "ops", "district_admin", "signpost") if may_resume("integrator", by)] == [
        "integrator",
        "signpost",
    ]


def test_a_body_has_no_sealed_parts_and_is_the_same_every_time() -> None:
    event = {"student_id": "s", "sealed_name": "gAAAA", "nested": [{"sealed_contact": "gAAAA", "kind": "x"}]}
    identity = UUID(int=7)

    def body() -> bytes:
        return message_body(
            event_id=identity,
            event_type="roster.student.enrolled.v1",
            at=NOW,
            source="/signpost/roster",
            subject="s",
            subject_version=1,
            correlation_id=identity,
            causation_id=None,
            event=event,
        )

    assert body() == body()
    assert b"sealed" not in body()
    assert b"gAAAA" not in body()
    assert b'"data":{"nested":[{"kind":"x"}],"student_id":"s"}' in body()
