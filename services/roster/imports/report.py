"""What an import did, or would have done."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from services.roster.imports.findings import Finding

State = Literal["applied", "unchanged", "parked", "confirmed"]
Kind = Literal["schools", "people", "students", "guardianships", "caseloads"]
KINDS: tuple[Kind, ...] = ("schools", "people", "students", "guardianships", "caseloads")


@dataclass(slots=True)
class Counts:
    """Records of one kind, by what became of them."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0

    @property
    def touched(self) -> int:
        return self.added + self.changed + self.removed


@dataclass(slots=True)
class Tally:
    """Counts while an import is applied; `before` holds how many of a kind there were."""

    counts: dict[Kind, Counts] = field(default_factory=lambda: {kind: Counts() for kind in KINDS})
    before: Counter[Kind] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)

    def __getitem__(self, kind: Kind) -> Counts:
        return self.counts[kind]

    def removal_shares(self) -> dict[Kind, float]:
        return {kind: self[kind].removed / self.before[kind] for kind in KINDS if self.before[kind]}


@dataclass(frozen=True, slots=True)
class ImportReport:
    """
    Outcome of an import that was not refused.

    `parked` changed nothing: it waits under `import_id` for a person to confirm or reject it, for the
    reason given. `unchanged` found nothing to do, emitted nothing and has no id.
    """

    state: State
    source: str
    counts: dict[Kind, Counts]
    events: dict[str, int]
    findings: list[Finding]
    warnings: int
    import_id: UUID | None = None
    reason: str | None = None

    @property
    def event_count(self) -> int:
        return sum(self.events.values())

    def document(self) -> dict[str, Any]:
        """JSON of the report without the findings, whose values may be personal data."""
        return {
            "source": self.source,
            "counts": {
                kind: {name: getattr(counts, name) for name in ("added", "changed", "removed", "unchanged")}
                for kind, counts in self.counts.items()
            },
            "events": self.events,
            "warnings": self.warnings,
        }
