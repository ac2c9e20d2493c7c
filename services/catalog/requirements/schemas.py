"""Requirement sets at the HTTP edge."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field
from sqlalchemy import Row

from services.catalog.requirements.tables import set_of
from shared.events.catalog import Requirement


class RequirementSetSummary(BaseModel):
    """A rule set or one track of it, without its lines."""

    key: str = Field(examples=["example-high-school/college-bound"])
    version: int
    title: str
    unit: str
    total: float
    is_default: bool = Field(description="Plans are checked against this one until another is chosen")
    published_at: datetime

    @classmethod
    def of(cls, row: Row[Any]) -> "RequirementSetSummary":
        return cls(
            key=row.key,
            version=row.version,
            title=row.title,
            unit=row.unit,
            total=float(row.total),
            is_default=row.is_default,
            published_at=row.published_at,
        )


class RequirementSetList(BaseModel):
    """Every requirement set, the default one first."""

    items: list[RequirementSetSummary]


class RemarkDocument(BaseModel):
    """Something the rule set says that plans are not checked against."""

    kind: str
    subject: str
    detail: str


class LineDocument(BaseModel):
    """One requirement. Exactly the filled fields apply, all of them together; see the event's contract."""

    id: str
    title: str
    credits: float = Field(description="Credits of fitting courses needed; 0 if named courses alone are asked for")
    any_of: list[str]
    departments: list[str]
    exclude: list[str]
    one_from_each: list[list[str]]
    all_of: list[str]
    same_language: bool
    clusters: dict[str, list[str]]
    cluster_credits: float | None
    alternatives: list["LineDocument"] = Field(description="Any one of these meets the line")
    disjoint_from: list[str]
    note: str | None

    @classmethod
    def of(cls, line: Requirement) -> "LineDocument":
        return cls.model_validate(line.model_dump())


class RequirementSetDocument(RequirementSetSummary):
    """A requirement set with its lines."""

    requirements: list[LineDocument]
    remarks: list[RemarkDocument]

    @classmethod
    def of(cls, row: Row[Any]) -> "RequirementSetDocument":
        rules = set_of(row)
        remarks = [RemarkDocument(kind=each.kind, subject=each.subject, detail=each.detail) for each in rules.remarks]
        lines = [LineDocument.of(line) for line in rules.requirements]
        summary = RequirementSetSummary.of(row)
        return cls(**dict(summary), requirements=lines, remarks=remarks)
