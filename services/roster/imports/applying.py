"""What every step of applying an import needs: the transaction, the source, and where findings and counts go."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Table, select

from services.roster.imports.findings import Findings
from services.roster.imports.progress import Progress
from services.roster.imports.report import Tally
from services.roster.imports.snapshot import Snapshot
from services.roster.imports.sync import BATCH
from services.roster.people.rules import Digests
from shared.database.unit_of_work import UnitOfWork
from shared.events.contract import Event
from shared.sealing import Sealer


@dataclass
class Applying:
    """One import being applied in one transaction."""

    uow: UnitOfWork
    snapshot: Snapshot
    sealer: Sealer
    digests: Digests
    zone: ZoneInfo
    today: date
    year_start: date
    package_name: str
    findings: Findings
    progress: Progress
    tally: Tally = field(default_factory=Tally)

    @property
    def source(self) -> str:
        return self.snapshot.source

    def emit(self, event: Event, *, version: int) -> None:
        self.uow.emit(event, version=version)
        self.tally.events[event.event_type] += 1

    def place_of(self, sourced_id: str) -> tuple[str, int | None]:
        """File and line of a person's row; the package alone for one who is known from an earlier import."""
        return self.snapshot.place_of_person(sourced_id) or (self.package_name, None)

    def pages(self, table: Table, condition: ColumnElement[bool], *, step: str, total: int) -> Iterator[Sequence[UUID]]:
        """
        Ids of the rows that meet a condition, a batch at a time and in order.

        Events of a batch are written before the next is fetched. Rows are found by the last id, not
        with one long cursor, because the work on a batch writes to the same tables.
        """
        (key,) = table.primary_key.columns
        last: UUID | None = None
        done = 0
        while True:
            query = select(key).where(condition).order_by(key).limit(BATCH)
            ids = self.uow.session.scalars(query if last is None else query.where(key > last)).all()
            if not ids:
                return
            yield ids
            self.uow.flush_events()
            last = ids[-1]
            done += len(ids)
            self.progress(step, min(done, total), total)
