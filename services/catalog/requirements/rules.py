"""A requirement set as the catalog keeps it: the published lines, and what was read but cannot be checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from services.catalog.conflicts.rules import Severity
from shared.events.catalog import Requirement, RequirementsChanged
from shared.identifiers import stable_id


@dataclass(frozen=True)
class Remark:
    """Something the file says that the published lines do not carry, or carry changed."""

    kind: str
    subject: str
    severity: Severity
    detail: str
    where: str


@dataclass(frozen=True)
class RequirementSet:
    """
    One track of a rule set, or a rule set without tracks.

    `course_sizes` are the credits a course is worth by the rule set's own account (a year, a
    quarter); a course of another size is reported. `places` say where each line was read.
    """

    key: str
    title: str
    unit: str
    total: Decimal
    requirements: tuple[Requirement, ...]
    remarks: tuple[Remark, ...] = ()
    course_sizes: tuple[Decimal, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict)

    @property
    def requirement_set_id(self) -> UUID:
        return stable_id("requirements", self.key)

    @property
    def rule_set(self) -> str:
        """Id of the rule set the track belongs to."""
        return self.key.partition("/")[0]

    def changed(self, *, is_default: bool) -> RequirementsChanged:
        """The event that carries the whole set."""
        return RequirementsChanged(
            requirement_set_id=self.requirement_set_id,
            key=self.key,
            title=self.title,
            unit=self.unit,
            total=self.total,
            is_default=is_default,
            requirements=self.requirements,
        )
