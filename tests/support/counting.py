"""
What a fault did, counted: changes that producers committed against changes that consumers applied. Pure.

A change is known by its event's id, its subject and the subject's version.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True)
class Change:
    """One change as somebody committed it: the producer when making it, a consumer when applying it."""

    event_id: UUID
    subject_id: UUID
    version: int
    at: datetime


@dataclass(frozen=True)
class Arrivals:
    """
    What one consumer group applied, in the order it did.

    `alone`: one consumer took them all, so that each must be its subject's next version. Where several
    share a queue, arrivals may overtake each other, and order is a matter of `standings`: the version
    each subject ended at.
    """

    group: str
    applied: Sequence[Change]
    alone: bool = True
    standings: dict[UUID, int] | None = None


@dataclass(frozen=True)
class Counts:
    """
    `lost` is answered or committed and not applied, `doubled` applied more than once or never committed,
    `out_of_order` not the subject's next version, `left_behind` unpublished, parked or dead.
    `slowest_s` runs from the commit of a change to the commit of its last effect.
    """

    changes: int
    lost: int = 0
    doubled: int = 0
    out_of_order: int = 0
    left_behind: int = 0
    slowest_s: float = 0.0

    @property
    def broken(self) -> list[str]:
        """The kinds of loss there were."""
        kinds = ("lost", "doubled", "out_of_order", "left_behind")
        return [f"{getattr(self, kind)} {kind.replace('_', ' ')}" for kind in kinds if getattr(self, kind)]


def count(
    committed: Sequence[Change],
    arrivals: Sequence[Arrivals],
    *,
    answered: Collection[UUID] = (),
    left_behind: int = 0,
) -> Counts:
    """
    Count what went wrong.

    Args:
        committed: What the producer's database holds.
        arrivals: What each consumer group's database holds.
        answered: Events whose change was confirmed to the client.
        left_behind: Rows of outboxes and inboxes that wait or were given up.
    """
    made = {change.event_id: change for change in committed}
    lost = len(set(answered) - made.keys())
    doubled = len(committed) - len({(change.subject_id, change.version) for change in committed})
    slowest_s = 0.0
    for each in arrivals:
        times = Counter(change.event_id for change in each.applied)
        lost += len(made.keys() - times.keys())
        doubled += sum(times.values()) - len(times.keys() & made.keys())
        waits = [
            (change.at - made[change.event_id].at).total_seconds() for change in each.applied if change.event_id in made
        ]
        slowest_s = max([slowest_s, *waits])
    out_of_order = sum(
        overtaken(each.applied) if each.alone else behind(committed, each.standings) for each in arrivals
    )
    return Counts(len(committed), lost, doubled, out_of_order, left_behind, slowest_s)


def overtaken(applied: Sequence[Change]) -> int:
    """Changes that were not their subject's next version when they arrived; repetitions do not count."""
    seen: set[UUID] = set()
    highest: dict[UUID, int] = {}
    wrong = 0
    for change in applied:
        if change.event_id in seen:
            continue
        seen.add(change.event_id)
        last = highest.get(change.subject_id, 0)
        wrong += change.version != last + 1
        highest[change.subject_id] = max(last, change.version)
    return wrong


def behind(committed: Sequence[Change], standings: dict[UUID, int] | None) -> int:
    """Subjects whose projection did not end at the newest version."""
    newest: dict[UUID, int] = {}
    for change in committed:
        newest[change.subject_id] = max(newest.get(change.subject_id, 0), change.version)
    return sum((standings or {}).get(subject) != version for subject, version in newest.items())
