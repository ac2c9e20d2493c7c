"""Opening a link: what it says, and whether its holder may still see it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from services.notifications.links.rules import AcknowledgeLink, LinkInvalid, journey_url, read_link
from services.notifications.links.schemas import LinkDocument
from services.notifications.notices.handlers import load_cause
from services.notifications.notices.tables import notices
from services.notifications.people.handlers import may_hear
from services.notifications.people.tables import recipients, students
from services.notifications.settings import NotificationsSettings
from services.notifications.templates.rendering import Occasion, render_page
from shared.sealing import Sealer


def open_link(
    token: str, *, settings: NotificationsSettings, session: Session, now: datetime
) -> tuple[AcknowledgeLink, Row[Any]]:
    """
    The notice behind a link.

    Args:
        now: Instant in the district's time zone.

    Raises:
        LinkExpired, LinkInvalid: The token does not hold, or its person may not see this any more.
    """
    link = read_link(token, settings.link_key, now=now)
    notice = session.execute(select(notices).where(notices.c.notice_id == link.notice_id)).first()
    if notice is None or (notice.recipient_id, notice.student_id) != (link.person_id, link.student_id):
        raise LinkInvalid
    if not may_hear(session, link.person_id, link.student_id, notice.audience, now=now):
        raise LinkInvalid
    return link, notice


def describe_notice(
    link: AcknowledgeLink, notice: Row[Any], *, settings: NotificationsSettings, session: Session
) -> LinkDocument:
    event, envelope = load_cause(session, notice.cause_id)
    student = _opened_name(session, link.student_id, Sealer.from_settings(settings))
    language = session.execute(select(recipients.c.language).where(recipients.c.person_id == link.person_id)).scalar()
    page = render_page(
        Occasion(
            template=notice.template,
            event=event,
            audience=notice.audience,
            language=language or "en",
            student_given=str(student.get("given_name", "")),
            student_family=str(student.get("family_name", "")),
            recipient_given="",
            link="",
            journey=journey_url(settings.public_url, envelope.correlation_id),
            reference=str(envelope.correlation_id),
            expires_on=link.expires_at.astimezone(ZoneInfo(settings.time_zone)).date(),
        )
    )
    return LinkDocument(
        notice_id=notice.notice_id,
        student_id=notice.student_id,
        recipient_id=notice.recipient_id,
        audience=notice.audience,
        template=notice.template,
        language=page.language,
        title=page.title,
        html=page.html,
        text=page.text,
        sent_at=notice.created_at,
        expires_at=link.expires_at,
        acknowledged_at=notice.acknowledged_at,
        correlation_id=envelope.correlation_id,
    )


def _opened_name(session: Session, student_id: UUID, sealer: Sealer) -> Mapping[str, Any]:
    sealed = session.execute(select(students.c.sealed_name).where(students.c.student_id == student_id)).scalar()
    return sealer.open(sealed) if sealed else {}
