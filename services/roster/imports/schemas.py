"""Imports as the API shows them."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field


class ImportDocument(BaseModel):
    """An import that changed something, or waits for a person to confirm or reject it."""

    import_id: UUID
    kind: Literal["oneroster", "edfi", "caseload"]
    source: str
    file_name: str
    digest: str = Field(description="SHA-256 over the names and contents of its files")
    state: Literal["parked", "applied", "confirmed", "rejected"]
    reason: str | None = Field(default=None, description="Why it was parked or rejected")
    report: dict[str, Any] = Field(description="Counts by kind of record; of a parked import, what it would do")
    imported_at: datetime
    decided_by: UUID | None = None
    decided_at: datetime | None = None


class ImportPage(BaseModel):
    items: list[ImportDocument]
    next: str | None = Field(default=None, description="Cursor of the next page; absent on the last")
