"""What a service keeps of other services' events: tables that may be dropped and rebuilt from the events alone."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Table

from shared.auth.projection import ACCESS_REACTIONS
from shared.auth.tables import access_students, relationships
from shared.database.unit_of_work import UnitOfWork
from shared.events.contract import producer_of
from shared.messaging.reactions import Reaction, Reactions, combine, reaction


@dataclass(frozen=True)
class Projection:
    """
    Tables with one column as their key, and the reactions that fill them and do nothing else.

    The reactions must come to the same rows whatever they are given twice or has been superseded, and may raise
    NotYetKnown. They are run against a database that holds these tables alone.

    Args:
        beside: Further tables that the reactions touch and that are no part of what is rebuilt; empty there.
        rebuilt: Called in the transaction in which rows were changed, so that what depends on them follows.
    """

    name: str
    tables: tuple[Table, ...]
    declared: tuple[Reaction, ...]
    beside: tuple[Table, ...] = ()
    rebuilt: Callable[[UnitOfWork], None] | None = None

    @property
    def reactions(self) -> Reactions:
        return combine(self.declared)

    @property
    def producers(self) -> list[str]:
        return sorted({producer_of(event_type) for event_type in self.reactions})


def projection(
    name: str,
    table: Table,
    *declared: Reaction,
    beside: tuple[Table, ...] = (),
    rebuilt: Callable[[UnitOfWork], None] | None = None,
) -> Projection:
    """Declare that a table of a service is a projection, and of what."""
    return Projection(name, (table,), declared, beside, rebuilt)


# Every service's: who may see whom.
ACCESS = Projection(
    "access",
    (access_students, relationships),
    tuple(reaction(contract, apply) for contract, apply in ACCESS_REACTIONS.items()),
)
