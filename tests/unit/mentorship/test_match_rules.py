"""Who fits a goal, and what may be decided about a match."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.mentorship.matches.rules import (
    AlreadyDecided,
    Decision,
    Fit,
    NotProposed,
    PartnerFull,
    PartnerLeft,
    PartnerSeats,
    Status,
    check_partner,
    check_undecided,
    rank_partners,
)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def seats(
    number: int,
    *,
    clusters: tuple[str, ...] = ("Health Science",),
    languages: tuple[str, ...] = ("en",),
    capacity: int = 2,
    taken: int = 0,
    is_active: bool = True,
    organization: str = "Clinic",
) -> PartnerSeats:
    return PartnerSeats(UUID(int=number), organization, clusters, languages, capacity, taken, is_active)


def ranked(*partners: PartnerSeats, home: str | None = "es", cluster: str = "Health Science") -> list[int]:
    fits = rank_partners(partners, cluster=cluster, home_language=home, instruction_language="en")
    return [fit.partner_id.int for fit in fits]


class TestRankPartners:
    def test_leaves_out_other_clusters(self) -> None:
        assert ranked(seats(1, clusters=("Finance",)), seats(2)) == [2]

    def test_leaves_out_the_full_and_the_inactive(self) -> None:
        assert ranked(seats(1, taken=2), seats(2, is_active=False), seats(3, capacity=0)) == []

    def test_leaves_out_who_shares_no_language(self) -> None:
        assert ranked(seats(1, languages=("fr",))) == []

    def test_takes_the_home_language_alone_as_shared(self) -> None:
        assert ranked(seats(1, languages=("es",))) == [1]

    def test_puts_the_home_language_before_places(self) -> None:
        assert ranked(seats(1, capacity=9), seats(2, languages=("es-MX", "en"), capacity=1)) == [2, 1]

    def test_puts_the_same_cluster_before_its_successor(self) -> None:
        related = seats(1, clusters=("Healthcare & Human Services",), capacity=9)

        assert ranked(related, seats(2, capacity=1)) == [2, 1]

    def test_puts_most_places_first(self) -> None:
        assert ranked(seats(1, capacity=3, taken=2), seats(2, capacity=5, taken=1)) == [2, 1]

    def test_proposes_three_at_most(self) -> None:
        assert len(ranked(*(seats(number) for number in range(10)))) == 3

    def test_knows_no_home_language_of_some(self) -> None:
        assert ranked(seats(1), home=None) == [1]

    def test_knows_spellings_of_the_goal(self) -> None:
        assert ranked(seats(1, clusters=("Hospitality & Tourism",)), cluster="hospitality and tourism") == [1]

    def test_fits_nobody_to_an_unknown_cluster(self) -> None:
        assert ranked(seats(1), cluster="Wizardry") == []

    def test_says_why(self) -> None:
        (fit,) = rank_partners(
            [seats(7, languages=("es",))], cluster="Health Science", home_language="es-US", instruction_language="en"
        )

        assert fit == Fit(UUID(int=7), "Clinic", ("cluster", "language", "capacity"))

    @given(st.permutations(range(6)))
    def test_ranks_the_same_whatever_the_order(self, order: list[int]) -> None:
        partners = [seats(number, organization=f"Org {number % 2}") for number in order]

        assert ranked(*partners) == [0, 2, 4]


class TestCheckUndecided:
    def test_allows_a_proposal(self) -> None:
        check_undecided(None, status=Status.PROPOSED)

    @pytest.mark.parametrize("status", [Status.ACCEPTED, Status.DECLINED, Status.SUPERSEDED, Status.ENDED])
    def test_refuses_what_was_decided_and_says_when_and_by_whom(self, status: Status) -> None:
        with pytest.raises(AlreadyDecided) as refused:
            check_undecided(Decision(status, NOON, UUID(int=5)), status=status)

        assert refused.value.members["decided_by"] == str(UUID(int=5))
        assert "2026-11-20T12:00:00+00:00" in refused.value.detail

    def test_refuses_where_nobody_fits(self) -> None:
        with pytest.raises(AlreadyDecided, match="No partner fits"):
            check_undecided(None, status=Status.NO_FIT)


class TestCheckPartner:
    def test_allows_a_proposed_one_with_a_place(self) -> None:
        check_partner(seats(1), proposed=[UUID(int=1)])

    def test_refuses_others(self) -> None:
        with pytest.raises(NotProposed) as refused:
            check_partner(seats(1), proposed=[UUID(int=2)])

        assert refused.value.members["proposed"] == [str(UUID(int=2))]

    def test_refuses_who_left(self) -> None:
        with pytest.raises(PartnerLeft):
            check_partner(seats(1, is_active=False), proposed=[UUID(int=1)])

    def test_refuses_the_full(self) -> None:
        with pytest.raises(PartnerFull) as refused:
            check_partner(seats(1, capacity=2, taken=2), proposed=[UUID(int=1)])

        assert refused.value.members == {"capacity": 2, "taken": 2}
