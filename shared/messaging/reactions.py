"""What a service does when it hears of a fact."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from shared.database.unit_of_work import UnitOfWork
from shared.events.contract import Event
from shared.events.envelope import Envelope
from shared.events.upcasting import older_versions

E = TypeVar("E", bound=Event, covariant=True)


@dataclass(frozen=True)
class Received(Generic[E]):
    """An event as it arrived: the fact, and the metadata around it."""

    event: E
    envelope: Envelope


class NotYetKnown(Exception):
    """The event refers to something this service has not heard of yet; it is tried again later."""

    def __init__(self, kind: str, subject_id: object) -> None:
        super().__init__(f"{kind} {subject_id} is not known yet")


Apply = Callable[..., None]


@dataclass(frozen=True)
class Reaction:
    """One contract and the functions that apply it, in order, in one transaction."""

    contract: type[Event]
    apply: tuple[Apply, ...]

    def __call__(self, received: Received[Any], *, uow: UnitOfWork) -> None:
        for apply in self.apply:
            apply(received, uow=uow)


Reactions = Mapping[str, Reaction]


def reaction(contract: type[Event], *apply: Apply) -> Reaction:
    """
    Declare that a service reacts to `contract`.

    Args:
        apply: `function(received: Received[contract], *, uow: UnitOfWork) -> None`. Raises
            NotYetKnown to be tried again; any other exception parks the event likewise.
    """
    return Reaction(contract, apply)


def combine(reactions: Iterable[Reaction]) -> Reactions:
    """
    Reactions by event type; several to the same type run one after the other, in the order given.

    An older version that can be upcast is reacted to as the newest one is, unless it has a
    reaction of its own.
    """
    combined: dict[str, Reaction] = {}
    for each in reactions:
        earlier = combined.get(each.contract.event_type)
        combined[each.contract.event_type] = Reaction(each.contract, (*earlier.apply, *each.apply)) if earlier else each
    newest_first = sorted(combined, key=lambda event_type: int(event_type.rpartition(".v")[2]), reverse=True)
    for event_type in newest_first:
        for older in older_versions(event_type):
            combined.setdefault(older, combined[event_type])
    return combined
