"""Court orders as values: what they leave, and who may decide."""

from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.roster.guardianships.rules import (
    FULL,
    CourtOrder,
    GuardianLink,
    OrderMeaningless,
    OrderNotOpen,
    OrderState,
    SamePerson,
    check_new_order,
    confirmed,
    lift_asked,
    merged_links,
    standing,
)
from shared.events.roster import FULL_GUARDIAN_RIGHTS, GuardianRight

TODAY = date(2026, 9, 15)
ANA, BEN = UUID(int=1), UUID(int=2)
GUARDIAN, STUDENT = UUID(int=3), UUID(int=4)


def order(
    state: OrderState = "filed",
    *,
    barred: bool = True,
    rights: tuple[GuardianRight, ...] = (),
    begins_on: date | None = None,
    ends_on: date | None = None,
    is_confirmed: bool = False,
) -> CourtOrder:
    return CourtOrder(
        order_id=UUID(int=9),
        barred=barred,
        rights=rights,
        begins_on=begins_on,
        ends_on=ends_on,
        state=state,
        filed_by=ANA,
        is_confirmed=is_confirmed,
        lift_asked_by=ANA if state == "lifting" else None,
    )


orders = st.builds(
    order,
    st.sampled_from(["filed", "confirmed", "lifting", "lifted"]),
    barred=st.booleans(),
    rights=st.sets(st.sampled_from(FULL_GUARDIAN_RIGHTS)).map(lambda rights: tuple(sorted(rights))),
    begins_on=st.none() | st.dates(date(2026, 9, 1), date(2026, 9, 30)),
    ends_on=st.none() | st.dates(date(2026, 9, 1), date(2026, 9, 30)),
    is_confirmed=st.booleans(),
)


class TestStanding:
    def test_is_full_without_orders(self) -> None:
        assert standing([], TODAY) == FULL

    @pytest.mark.parametrize("state", ["filed", "confirmed", "lifting"])
    def test_is_barred_from_filing_until_lifted(self, state: OrderState) -> None:
        assert standing([order(state)], TODAY).barred

    def test_is_given_back_by_lifting(self) -> None:
        assert standing([order("lifted")], TODAY) == FULL

    def test_waits_for_the_first_day(self) -> None:
        assert standing([order(begins_on=date(2026, 9, 16))], TODAY) == FULL
        assert standing([order(begins_on=TODAY)], TODAY).barred

    def test_is_given_back_after_the_last_day_of_a_confirmed_order_alone(self) -> None:
        ended = date(2026, 9, 14)

        assert standing([order("confirmed", ends_on=ended, is_confirmed=True)], TODAY) == FULL
        assert standing([order("filed", ends_on=ended)], TODAY).barred
        # Filed, never confirmed, and its lifting asked for: still one person's word.
        assert standing([order("lifting", ends_on=ended)], TODAY).barred

    def test_counts_the_last_day_in(self) -> None:
        assert standing([order("confirmed", ends_on=TODAY, is_confirmed=True)], TODAY).barred

    def test_leaves_what_every_order_leaves(self) -> None:
        both = [order(barred=False, rights=("plan.read", "notices")), order(barred=False, rights=("plan.read",))]

        assert standing(both, TODAY).rights == ("plan.read",)

    @given(st.lists(orders, max_size=5), orders)
    def test_is_never_widened_by_one_more_order(self, some: list[CourtOrder], another: CourtOrder) -> None:
        before, after = standing(some, TODAY), standing([*some, another], TODAY)

        assert set(after.rights) <= set(before.rights)
        assert after.barred or not before.barred


class TestDeciding:
    def test_needs_another_person_to_confirm(self) -> None:
        with pytest.raises(SamePerson):
            confirmed(order("filed"), ANA)

        assert confirmed(order("filed"), BEN) == "confirmed"

    def test_needs_another_person_to_lift(self) -> None:
        with pytest.raises(SamePerson):
            confirmed(order("lifting"), ANA)

        assert confirmed(order("lifting"), BEN) == "lifted"

    @pytest.mark.parametrize("state", ["confirmed", "lifted"])
    def test_confirms_nothing_that_does_not_wait(self, state: OrderState) -> None:
        with pytest.raises(OrderNotOpen):
            confirmed(order(state), BEN)

    @pytest.mark.parametrize("state", ["lifting", "lifted"])
    def test_is_asked_to_lift_once(self, state: OrderState) -> None:
        with pytest.raises(OrderNotOpen):
            lift_asked(order(state))


class TestNewOrder:
    @pytest.mark.parametrize(("barred", "rights"), [(True, ["plan.read"]), (False, list(FULL_GUARDIAN_RIGHTS))])
    def test_must_take_something_away(self, barred: bool, rights: list[str]) -> None:
        with pytest.raises(OrderMeaningless):
            check_new_order(barred=barred, rights=rights, begins_on=None, ends_on=None)

    def test_must_not_end_before_it_begins(self) -> None:
        with pytest.raises(OrderMeaningless):
            check_new_order(barred=True, rights=[], begins_on=TODAY, ends_on=date(2026, 9, 1))


class TestMergedLinks:
    def test_prefers_the_more_precise_relation_and_the_wider_dates(self) -> None:
        links = [
            GuardianLink(GUARDIAN, STUDENT, "parent", date(2026, 1, 1), None),
            GuardianLink(GUARDIAN, STUDENT, "mother", None, date(2027, 1, 1)),
        ]

        (merged,) = merged_links(links).values()

        assert merged == GuardianLink(GUARDIAN, STUDENT, "mother", None, None)
