"""Reading a sample district's plans back, a student at a time."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class StudentPlan:
    """One student's line of plans.json. `changes` are additions in the form that the plans service takes."""

    student_sourced_id: str
    grade: int
    goal_cluster: str
    changes: tuple[dict[str, Any], ...]


def read_plans(path: Path) -> Iterator[StudentPlan]:
    """The plans in plans.json, without holding more than one in memory. Only for files this package wrote."""
    with path.open(encoding="utf-8") as file:
        next(file)
        for line in file:
            if line.startswith("{"):
                record = json.loads(line.rstrip().rstrip(","))
                yield StudentPlan(
                    student_sourced_id=record["student_sourced_id"],
                    grade=record["grade"],
                    goal_cluster=record["goal_cluster"],
                    changes=tuple(record["changes"]),
                )
