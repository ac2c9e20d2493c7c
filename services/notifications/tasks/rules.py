"""Which of several events about one thing counts, and which facts a merged task shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Moment:
    """
    Where an event stands in its subject's history.

    Two events may carry one version, as when a catalog change flips the audit of an unchanged
    plan; then the later one counts.
    """

    version: int
    happened_at: datetime

    def is_older_than(self, other: "Moment") -> bool:
        return (self.version, self.happened_at) < (other.version, other.happened_at)


def newest_facts(open_subjects: Sequence[tuple[datetime, Mapping[str, Any]]]) -> Mapping[str, Any]:
    """What a task shows that is about several things: the one that happened last."""
    return max(open_subjects, key=lambda subject: subject[0])[1]
