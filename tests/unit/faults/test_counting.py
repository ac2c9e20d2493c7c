"""The counting of fault tests finds every kind of loss, and none where there is none."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from tests.support.counting import Arrivals, Change, Counts, count

BEGAN = datetime(2026, 9, 15, 15, 0, tzinfo=UTC)
LUZ, OLA = UUID(int=1), UUID(int=2)


def made(subject: UUID, versions: int) -> list[Change]:
    return [Change(uuid4(), subject, version, BEGAN) for version in range(1, versions + 1)]


def seen(changes: Sequence[Change], *, after_s: float = 0.0) -> list[Change]:
    at = BEGAN + timedelta(seconds=after_s)
    return [Change(each.event_id, each.subject_id, each.version, at) for each in changes]


class TestCount:
    def test_finds_nothing_where_all_is_well(self) -> None:
        committed = [*made(LUZ, 3), *made(OLA, 2)]

        counts = count(committed, [Arrivals("mirror", seen(committed))], answered={committed[0].event_id})

        assert counts == Counts(changes=5)
        assert counts.broken == []

    def test_finds_what_was_committed_and_never_applied(self) -> None:
        committed = made(LUZ, 3)

        counts = count(committed, [Arrivals("mirror", seen(committed[:2]))])

        assert (counts.lost, counts.broken) == (1, ["1 lost"])

    def test_finds_what_was_lost_in_the_middle_twice(self) -> None:
        """Lost, and a gap before the next version."""
        committed = made(LUZ, 3)

        counts = count(committed, [Arrivals("mirror", seen([committed[0], committed[2]]))])

        assert (counts.lost, counts.out_of_order) == (1, 1)

    def test_finds_what_was_answered_and_never_committed(self) -> None:
        committed = made(LUZ, 1)

        assert count(committed, [Arrivals("mirror", seen(committed))], answered={uuid4()}).lost == 1

    def test_finds_what_was_applied_twice(self) -> None:
        committed = made(LUZ, 2)

        counts = count(committed, [Arrivals("mirror", seen([committed[0], *committed]))])

        assert counts == Counts(changes=2, doubled=1)

    def test_finds_what_nobody_committed(self) -> None:
        assert count([], [Arrivals("mirror", seen(made(LUZ, 1)))]).doubled == 1

    def test_finds_one_request_carried_out_twice(self) -> None:
        """Two changes to the same version: the row was not locked."""
        committed = [*made(LUZ, 1), *made(LUZ, 1)]

        assert count(committed, [Arrivals("mirror", seen(committed))]).doubled == 1

    def test_finds_an_older_version_after_a_newer_one(self) -> None:
        one, two, three = made(LUZ, 3)

        assert count([one, two, three], [Arrivals("mirror", seen([one, three, two]))]).out_of_order == 2

    def test_leaves_order_to_the_projection_where_consumers_share_a_queue(self) -> None:
        one, two = made(LUZ, 2)

        def shared(version: int) -> Arrivals:
            return Arrivals("mirror", seen([two, one]), alone=False, standings={LUZ: version})

        assert count([one, two], [shared(2)]) == Counts(changes=2)
        assert count([one, two], [shared(1)]).out_of_order == 1

    def test_counts_every_group(self) -> None:
        committed = made(LUZ, 2)
        groups = [Arrivals("mirror", seen(committed)), Arrivals("ledger", seen(committed[:1]))]

        assert count(committed, groups).lost == 1

    def test_takes_the_slowest_change_of_all_groups(self) -> None:
        committed = made(LUZ, 2)
        groups = [Arrivals("mirror", seen(committed, after_s=0.5)), Arrivals("ledger", seen(committed, after_s=2.5))]

        assert count(committed, groups).slowest_s == 2.5

    def test_says_what_was_left_behind(self) -> None:
        assert count([], [], left_behind=3).broken == ["3 left behind"]
