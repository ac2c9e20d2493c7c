"""The file of plans to take over, checked line by line before anything is written."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from services.plans.imports.schemas import PlanRecord
from services.plans.plans.rules import CLUSTERS

SCHEMA = "signpost.sample_plans/v1"
LARGEST_FILE_BYTES = 1_000_000_000


@dataclass(frozen=True)
class Fault:
    """What is wrong, where, and what would be right."""

    file: str
    line: int
    field: str
    value: str
    expected: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.field}: {self.value!r} -> {self.expected}"


class PlansRefused(Exception):
    """The file cannot be taken; nothing of it was."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(f"{len(faults)} faults")
        self.faults = faults


def read_records(lines: Iterable[str], *, file: str) -> Iterator[PlanRecord]:
    """
    The records of a plans file, one line at a time.

    The first line holds the schema, each further one a student's plan, the last closes the list.

    Raises:
        PlansRefused: A line is not a record; names the line and field.
    """
    for number, line in enumerate(lines, start=1):
        text = line.strip().rstrip(",")
        if number == 1:
            if f'"{SCHEMA}"' not in text:
                raise PlansRefused([Fault(file, 1, "schema", text[:60], f'a first line with "schema": "{SCHEMA}"')])
            continue
        if text in ("", "]}", "]", "}"):
            continue
        yield _record(text, file=file, line=number)


def _record(text: str, *, file: str, line: int) -> PlanRecord:
    try:
        record = PlanRecord.model_validate_json(text)
    except ValidationError as error:
        raise PlansRefused(
            [
                Fault(file, line, ".".join(map(str, fault["loc"])) or "line", _shown(fault.get("input")), fault["msg"])
                for fault in error.errors(include_url=False)[:20]
            ]
        ) from None
    if record.goal_cluster is not None and record.goal_cluster not in CLUSTERS:
        raise PlansRefused([Fault(file, line, "goal_cluster", record.goal_cluster, "one of the 16 career clusters")])
    return record


def _shown(value: Any) -> str:
    return json.dumps(value, default=str)[:60]
