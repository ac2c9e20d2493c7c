"""Tokens for tests."""

from uuid import UUID

from shared.auth.tokens import issue_token
from shared.settings import Settings


def bearer(settings: Settings, role: str, person_id: UUID) -> dict[str, str]:
    """Headers that sign a request as this person."""
    return {"Authorization": f"Bearer {issue_token(settings, role=role, person_id=person_id)}"}
