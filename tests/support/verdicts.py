"""The table of faults: what was promised, what was done, what it cost. Kept in a file from run to run."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from tests.support.counting import Counts

HEADINGS = (
    "promise", "what was done", "changes", "lost", "doubled", "out of order", "left behind", "slowest s",
    "recovery s", "kept", "on",
)  # fmt: skip
_PAGE = """# Faults, and what they cost

Written by `make faults`: every row from a real run, on the day it says. `lost` is confirmed or committed and never
applied, `doubled` applied more than once, `out of order` not the subject's next version, `left behind` unpublished,
parked or dead at the end; a dash was not measured. Of a pipeline without a guard `kept` says whether the loss was seen.
What each row means, and how it is done: [Reliability](../docs/reference/reliability.md).
"""


@dataclass(frozen=True)
class Verdict:
    """One row. `recovery_s` is from the end of the fault until everything was published and applied."""

    promise: str
    done: str
    counts: Counts
    recovery_s: float | None
    kept: bool
    on: date

    @property
    def key(self) -> tuple[str, str]:
        """By which a later run replaces it; how often and how much may change."""
        return self.promise, re.sub(r"[\d,.]+", "#", self.done)

    def cells(self) -> list[str]:
        counts = self.counts
        numbers = (counts.changes, counts.lost, counts.doubled, counts.out_of_order, counts.left_behind)
        return [
            self.promise,
            self.done,
            *(f"{number:,}" for number in numbers),
            _seconds(counts.slowest_s or None),
            _seconds(self.recovery_s),
            "yes" if self.kept else "BROKEN",
            self.on.isoformat(),
        ]

    @classmethod
    def from_cells(cls, cells: Sequence[str]) -> "Verdict":
        changes, lost, doubled, out_of_order, left_behind = (int(cell.replace(",", "")) for cell in cells[2:7])
        counts = Counts(changes, lost, doubled, out_of_order, left_behind, _measured(cells[7]) or 0.0)
        return cls(cells[0], cells[1], counts, _measured(cells[8]), cells[9] == "yes", date.fromisoformat(cells[10]))


def table(verdicts: Sequence[Verdict]) -> str:
    """As Markdown, its columns aligned for whoever reads it in a terminal."""
    rows = [list(HEADINGS), *(verdict.cells() for verdict in verdicts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(lines) + "\n"


def merge(earlier: Sequence[Verdict], later: Sequence[Verdict]) -> list[Verdict]:
    """The newest row of each kind, in the order of promises."""
    newest = {verdict.key: verdict for verdict in [*earlier, *later]}
    return [newest[key] for key in sorted(newest)]


def read(path: Path) -> list[Verdict]:
    if not path.exists():
        return []
    rows = [line.strip("| ").split("|") for line in path.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    return [Verdict.from_cells([cell.strip() for cell in row]) for row in rows[2:]]


def write(path: Path, verdicts: Sequence[Verdict]) -> None:
    """Put these rows in the place of those of earlier runs."""
    path.write_text(f"{_PAGE}\n{table(merge(read(path), verdicts))}", encoding="utf-8")


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _measured(cell: str) -> float | None:
    return None if cell == "-" else float(cell)
