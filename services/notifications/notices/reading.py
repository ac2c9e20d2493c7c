"""Notices as lists and documents."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, or_, select
from sqlalchemy.orm import Session

from services.notifications.notices.schemas import MessageItem, NoticeDocument, NoticeItem
from services.notifications.notices.tables import causes, messages, notices


def list_notices(
    session: Session, condition: ColumnElement[bool], *, before: tuple[datetime, UUID] | None, limit: int
) -> list[NoticeItem]:
    """The newest first; `before` is the last one of the page before."""
    statement = _notices().where(condition).order_by(notices.c.created_at.desc(), notices.c.notice_id.desc())
    if before is not None:
        created_at, notice_id = before
        statement = statement.where(
            or_(
                notices.c.created_at < created_at,
                and_(notices.c.created_at == created_at, notices.c.notice_id < notice_id),
            )
        )
    rows = session.execute(statement.limit(limit)).all()
    by_notice = _messages_of(session, [row.notice_id for row in rows])
    return [NoticeItem.model_validate(_item(row, by_notice.get(row.notice_id, []))) for row in rows]


def read_notice(session: Session, notice_id: UUID) -> NoticeDocument | None:
    row = session.execute(_notices().where(notices.c.notice_id == notice_id)).first()
    if row is None:
        return None
    item = _item(row, _messages_of(session, [notice_id]).get(notice_id, []))
    return NoticeDocument.model_validate(item | {"cause_type": row.envelope["type"], "cause": row.payload})


def _notices() -> Select[Any]:
    return select(notices, causes.c.envelope, causes.c.payload).join(causes, causes.c.event_id == notices.c.cause_id)


def _messages_of(session: Session, notice_ids: Sequence[UUID]) -> dict[UUID, list[MessageItem]]:
    found: dict[UUID, list[MessageItem]] = {}
    rows = session.execute(
        select(messages).where(messages.c.notice_id.in_(notice_ids)).order_by(messages.c.created_at)
    ).mappings()
    for row in rows:
        found.setdefault(row["notice_id"], []).append(MessageItem.model_validate(dict(row)))
    return found


def _item(row: Row[Any], sent: list[MessageItem]) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in NoticeItem.model_fields if name in notices.c}
    return values | {"correlation_id": row.envelope["correlation_id"], "messages": sent}
