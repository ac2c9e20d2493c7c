"""Reading and finishing tasks."""

from typing import Any
from uuid import UUID

from sqlalchemy import and_, or_, select, true

from services.notifications.tasks import handlers
from services.notifications.tasks.schemas import TaskDocument, TaskPage, TaskQuery
from services.notifications.tasks.tables import tasks
from shared.auth.access import can, visible_students
from shared.problems import InvalidInput, NotFound, PreconditionFailed
from shared.web.pagination import cursor_of, instant_position_of, limit_of
from shared.web.routes import Call, Reply, Routes, authorize, signed_in

task_routes = Routes(service="notifications", tag="tasks")


@task_routes.get(
    "/v1/tasks",
    summary="Tasks given to you, newest first; for a counselor also everybody's about one student",
    reply=TaskPage,
    query=TaskQuery,
    access=signed_in(),
    problems=[InvalidInput, NotFound],
)
def get_tasks(call: Call[None]) -> Reply:
    statement = select(tasks).where(tasks.c.student_id.in_(visible_students(call.principal, "tasks", "read", call.now)))
    own = tasks.c.assignee_id == call.principal.person_id
    if "student_id" in call.query:
        student_id = _id(call.query["student_id"])
        authorize(call, "tasks", "read", student_id)
        everybodys = can(call.session, call.principal, "tasks", "write", student_id, call.now)
        statement = statement.where(tasks.c.student_id == student_id, true() if everybodys else own)
    else:
        statement = statement.where(own)
    state = call.query.get("state")
    if state is not None:
        if state not in ("open", "done"):
            raise InvalidInput(f"`state` must be open or done; got {state[:20]!r}.")
        statement = statement.where(tasks.c.state == state)
    before = instant_position_of(call.query)
    if before is not None:
        opened_at, task_id = before
        statement = statement.where(
            or_(tasks.c.opened_at < opened_at, and_(tasks.c.opened_at == opened_at, tasks.c.task_id < task_id))
        )
    limit = limit_of(call.query)
    newest_first = statement.order_by(tasks.c.opened_at.desc(), tasks.c.task_id.desc()).limit(limit + 1)
    items = [_document(row) for row in call.session.execute(newest_first).mappings()]
    following = None
    if len(items) > limit:
        items = items[:limit]
        following = cursor_of(items[-1].opened_at.isoformat(), str(items[-1].task_id))
    return Reply(TaskPage(items=items, next=following))


@task_routes.post(
    "/v1/tasks/{task_id}/done",
    summary="Finish a task; finishing it again changes nothing",
    reply=TaskDocument,
    access=signed_in(),
    problems=[NotFound, PreconditionFailed],
)
def post_task_done(call: Call[bytes]) -> Reply:
    task = _readable(call)
    own = task.assignee_id == call.principal.person_id
    authorize(call, "tasks", "read" if own else "write", task.student_id)
    if call.if_match is not None and call.if_match != task.version:
        raise PreconditionFailed(f"The task is at version {task.version}; read it again.")
    handlers.finish_task(task.task_id, done_by=call.principal.person_id, uow=call.uow)
    done = _readable(call)
    return Reply(done, etag=str(done.version))


def _readable(call: Call[Any]) -> TaskDocument:
    row = call.session.execute(select(tasks).where(tasks.c.task_id == call.uuid("task_id"))).mappings().first()
    if row is None:
        raise NotFound
    return _document(row)


def _document(row: Any) -> TaskDocument:
    return TaskDocument.model_validate({name: row[name] for name in TaskDocument.model_fields})


def _id(value: str) -> UUID:
    try:
        return UUID(value)
    except ValueError:
        raise NotFound from None
