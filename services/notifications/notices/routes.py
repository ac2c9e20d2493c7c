"""Reading notices: one's own, or, for staff, those about a student of theirs."""

from uuid import UUID

from services.notifications.notices.reading import list_notices, read_notice
from services.notifications.notices.schemas import NoticeDocument, NoticePage, NoticeQuery
from services.notifications.notices.tables import notices
from shared.auth.access import can, visible_students
from shared.problems import InvalidInput, NotFound
from shared.web.pagination import cursor_of, instant_position_of, limit_of
from shared.web.routes import Call, Reply, Routes, authorize, signed_in

notice_routes = Routes(service="notifications", tag="notices")


@notice_routes.get(
    "/v1/notices",
    summary="Your notices, or those about a student of yours, newest first",
    reply=NoticePage,
    query=NoticeQuery,
    access=signed_in(),
    problems=[InvalidInput, NotFound],
)
def get_notices(call: Call[None]) -> Reply:
    student = call.query.get("student_id")
    condition = notices.c.recipient_id == call.principal.person_id
    if student is not None:
        student_id = _id(student)
        # Whoever may write to this student's people sees all of it; others see what went to themselves.
        if can(call.session, call.principal, "notices", "write", student_id, call.now):
            condition = notices.c.student_id == student_id
        else:
            authorize(call, "notices", "read", student_id)
            condition = condition & (notices.c.student_id == student_id)
    condition = condition & notices.c.student_id.in_(visible_students(call.principal, "notices", "read", call.now))
    limit = limit_of(call.query)
    items = list_notices(call.session, condition, before=instant_position_of(call.query), limit=limit + 1)
    following = None
    if len(items) > limit:
        items = items[:limit]
        following = cursor_of(items[-1].created_at.isoformat(), str(items[-1].notice_id))
    return Reply(NoticePage(items=items, next=following))


@notice_routes.get(
    "/v1/notices/{notice_id}",
    summary="One notice, its messages and the event it tells of",
    reply=NoticeDocument,
    access=signed_in(),
    problems=[NotFound],
)
def get_notice(call: Call[None]) -> Reply:
    notice = read_notice(call.session, call.uuid("notice_id"))
    if notice is None:
        raise NotFound
    own = notice.recipient_id == call.principal.person_id
    authorize(call, "notices", "read" if own else "write", notice.student_id)
    return Reply(notice)


def _id(value: str) -> UUID:
    try:
        return UUID(value)
    except ValueError:
        raise NotFound from None
