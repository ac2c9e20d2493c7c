"""What a guardian may do for one student, given the court orders in force."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, NamedTuple
from uuid import UUID

from services.roster.dates import widest
from shared.events.roster import FULL_GUARDIAN_RIGHTS, GuardianRight
from shared.problems import Conflict, InvalidInput

OrderState = Literal["filed", "confirmed", "lifting", "lifted"]

# Words that say no more than that somebody is a guardian; a more precise one wins.
_GENERIC_RELATIONS = ("guardian", "parent", "relative")


class SamePerson(Conflict):
    """A second administrator must decide this."""

    code = "second-person-needed"


class OrderNotOpen(Conflict):
    """The court order is not in a state that allows this."""

    code = "court-order-not-open"


class OrderMeaningless(InvalidInput):
    """The court order would take nothing away, or contradicts itself."""

    code = "court-order-meaningless"


class Standing(NamedTuple):
    """What remains to a guardian: full rights, some, or, barred, none."""

    barred: bool
    rights: tuple[GuardianRight, ...]


FULL = Standing(barred=False, rights=FULL_GUARDIAN_RIGHTS)


@dataclass(frozen=True, slots=True)
class CourtOrder:
    """One order about one guardian and one student. `ends_on` is its last day."""

    order_id: UUID
    barred: bool
    rights: tuple[GuardianRight, ...]
    begins_on: date | None
    ends_on: date | None
    state: OrderState
    filed_by: UUID
    is_confirmed: bool = False
    lift_asked_by: UUID | None = None

    def withholds(self, on: date) -> bool:
        """
        Whether the order takes rights away on a day.

        It does from filing on, whoever has yet to confirm it, because what a guardian has seen cannot be
        unseen. Its last day gives rights back, so that day counts only once two people have seen the order.
        """
        if self.state == "lifted" or (self.begins_on is not None and self.begins_on > on):
            return False
        return not (self.is_confirmed and self.ends_on is not None and self.ends_on < on)


def standing(orders: Iterable[CourtOrder], on: date) -> Standing:
    """What the orders in force leave together: each can only take away."""
    in_force = [order for order in orders if order.withholds(on)]
    if any(order.barred for order in in_force):
        return Standing(barred=True, rights=())
    left = tuple(right for right in FULL_GUARDIAN_RIGHTS if all(right in order.rights for order in in_force))
    return Standing(barred=False, rights=left)


def check_new_order(*, barred: bool, rights: Sequence[str], begins_on: date | None, ends_on: date | None) -> None:
    """
    Raises:
        OrderMeaningless: It bars and leaves rights, takes nothing away, or ends before it begins.
    """
    if barred and rights:
        raise OrderMeaningless("`rights` must be empty when `barred` is true: barred leaves nothing.")
    if not barred and set(rights) >= set(FULL_GUARDIAN_RIGHTS):
        raise OrderMeaningless("`rights` lists every right, so the order would take nothing away.")
    if begins_on and ends_on and ends_on < begins_on:
        raise OrderMeaningless(f"`ends_on` {ends_on} is before `begins_on` {begins_on}.")


def confirmed(order: CourtOrder, by: UUID) -> OrderState:
    """
    The state after a second administrator confirms what the first filed: the order, or its lifting.

    Raises:
        SamePerson: The same administrator asked for it.
        OrderNotOpen: There is nothing to confirm.
    """
    match order.state:
        case "filed":
            _check_second(order.filed_by, by)
            return "confirmed"
        case "lifting":
            _check_second(order.lift_asked_by, by)
            return "lifted"
        case _:
            raise OrderNotOpen(f"The order is {order.state}; nothing waits for a second person.")


def lift_asked(order: CourtOrder) -> OrderState:
    """
    The state after an administrator asks for an order to be lifted.

    Raises:
        OrderNotOpen: It is lifted already, or its lifting waits for a second person.
    """
    if order.state in ("lifting", "lifted"):
        raise OrderNotOpen(f"The order is {order.state} already.")
    return "lifting"


class GuardianLink(NamedTuple):
    """One statement of a source that a person is a guardian of a student."""

    guardian_id: UUID
    student_id: UUID
    relation: str
    begins_on: date | None
    ends_on: date | None


def merged_links(links: Iterable[GuardianLink]) -> dict[tuple[UUID, UUID], GuardianLink]:
    """One link per guardian and student: the most precise relation, the widest dates."""
    merged: dict[tuple[UUID, UUID], GuardianLink] = {}
    for link in sorted(links, key=lambda link: (link.relation in _GENERIC_RELATIONS, link.relation)):
        pair = (link.guardian_id, link.student_id)
        earlier = merged.get(pair)
        if earlier is not None:
            begins, ends = widest((earlier.begins_on, earlier.ends_on), (link.begins_on, link.ends_on))
            link = earlier._replace(begins_on=begins, ends_on=ends)
        merged[pair] = link
    return merged


def rights_of(stored: Iterable[str]) -> tuple[GuardianRight, ...]:
    """Rights as a table holds them, in the usual order."""
    held = set(stored)
    return tuple(right for right in FULL_GUARDIAN_RIGHTS if right in held)


def _check_second(first: UUID | None, second: UUID) -> None:
    if first == second:
        raise SamePerson("You asked for this yourself; another district administrator must confirm it.")
