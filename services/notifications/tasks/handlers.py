"""Opening, merging, assigning and closing tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, exists, or_, select, update
from sqlalchemy.orm import Session

from services.notifications.notices.handlers import Telling, load_cause, queue_notices
from services.notifications.people.handlers import counselors_in_charge, is_counselor_in_charge
from services.notifications.tasks.rules import Moment, newest_facts
from services.notifications.tasks.tables import task_subjects, tasks
from shared.auth.tables import relationships
from shared.database.schema import insert, upsert
from shared.database.unit_of_work import Cause, UnitOfWork
from shared.events.notifications import TaskDone, TaskOpened
from shared.identifiers import stable_id

WAITING_BATCH = 100


@dataclass(frozen=True)
class TaskCause:
    """
    An event that opens or closes a task: of which kind, about what, told how.

    `items` are what an opening adds to the task, and what a closing leaves undone.
    """

    kind: str
    student_id: UUID
    subject_id: UUID
    event_id: UUID
    facts: Mapping[str, Any]
    moment: Moment
    items: frozenset[str] = frozenset()
    notice: Mapping[str, Any] | None = None


def open_task(cause: TaskCause, *, uow: UnitOfWork) -> None:
    """
    Open the task of a kind about a student, or merge the cause into the open one.

    A merged cause updates the facts and the count and tells nobody again.
    """
    known = _subject_of(cause, uow)
    if _is_old_news(cause, known):
        return
    items = cause.items | _open_items(known)
    task = _open_task_of(cause, uow)
    if task is None:
        task = _insert_task(cause, uow)
        _note_subject(cause, uow, task_id=task.task_id, is_open=True, items=items)
        counselors = counselors_in_charge(uow.session, cause.student_id, now=uow.clock.now())
        if counselors:
            _assign(task, counselors[0], uow)
        return
    _note_subject(cause, uow, task_id=task.task_id, is_open=True, items=items)
    uow.session.execute(
        update(tasks)
        .where(tasks.c.task_id == task.task_id)
        .values(
            facts=_facts_of(task.task_id, uow),
            cause_count=task.cause_count + 1,
            updated_at=uow.clock.now(),
            version=task.version + 1,
        )
    )


def close_task(cause: TaskCause, *, outcome: str, uow: UnitOfWork) -> None:
    """Close the task that was opened about the same thing, unless something of it or about another one is left."""
    known = _subject_of(cause, uow)
    if _is_old_news(cause, known):
        return
    opened = known.task_id if known is not None and known.is_open else None
    left = _open_items(known) & cause.items
    _note_subject(cause, uow, task_id=opened, is_open=bool(left), items=left)
    if opened is None:
        return
    task = _locked(opened, uow)
    if task.state != "open":
        return
    facts = _facts_of(opened, uow)
    if facts is not None:
        uow.session.execute(
            update(tasks)
            .where(tasks.c.task_id == opened)
            .values(facts=facts, updated_at=uow.clock.now(), version=task.version + 1)
        )
        return
    _finish(task, outcome=outcome, done_by=None, uow=uow)
    if task.assignee_id is not None and cause.notice is not None:
        _tell(cause.notice, task.assignee_id, cause_id=cause.event_id, student_id=task.student_id, uow=uow)


def finish_task(task_id: UUID, *, done_by: UUID, uow: UnitOfWork) -> None:
    """A person finished a task; finishing it again changes nothing."""
    # Subjects before the task, as everywhere here: another order could deadlock with a worker.
    subjects = select(task_subjects.c.subject_id).where(task_subjects.c.task_id == task_id)
    uow.session.execute(subjects.order_by(task_subjects.c.subject_id).with_for_update())
    task = _locked(task_id, uow)
    if task.state == "open":
        uow.session.execute(update(task_subjects).where(task_subjects.c.task_id == task_id).values(is_open=False))
        _, envelope = load_cause(uow.session, task.cause_id)
        uow.cause = Cause.of(envelope)
        _finish(task, outcome="done", done_by=done_by, uow=uow)


def reassign_tasks(student_id: UUID, *, uow: UnitOfWork) -> None:
    """Give open tasks whose assignee is not in charge of the student to a counselor who is, and tell that counselor."""
    counselors = counselors_in_charge(uow.session, student_id, now=uow.clock.now())
    heir = counselors[0] if counselors else None
    opened = uow.session.execute(
        select(tasks)
        .where(tasks.c.student_id == student_id, tasks.c.state == "open")
        .order_by(tasks.c.task_id)
        .with_for_update()
    ).all()
    for task in opened:
        if task.assignee_id not in counselors and task.assignee_id != heir:
            _assign(task, heir, uow)


def students_to_reassign(session: Session, *, now: datetime) -> Sequence[UUID]:
    """Students whose open tasks wait for a counselor there is by now, or stay with one no longer in charge."""
    in_charge = exists().where(relationships.c.student_id == tasks.c.student_id, is_counselor_in_charge(now=now))
    waits = and_(tasks.c.assignee_id.is_(None), in_charge)
    is_astray = and_(
        tasks.c.assignee_id.is_not(None), ~in_charge.where(relationships.c.person_id == tasks.c.assignee_id)
    )
    found = select(tasks.c.student_id).where(tasks.c.state == "open", or_(waits, is_astray))
    return session.execute(found.distinct().limit(WAITING_BATCH)).scalars().all()


def reassign_waiting_tasks(*, uow: UnitOfWork) -> int:
    """Reassign what no event announces: a relation that begins or ends by its date. How many students it was about."""
    found = students_to_reassign(uow.session, now=uow.clock.now())
    for student_id in found:
        reassign_tasks(student_id, uow=uow)
    return len(found)


def _subject_of(cause: TaskCause, uow: UnitOfWork) -> Row[Any] | None:
    return uow.session.execute(
        select(task_subjects)
        .where(task_subjects.c.kind == cause.kind, task_subjects.c.subject_id == cause.subject_id)
        .with_for_update()
    ).first()


def _is_old_news(cause: TaskCause, known: Row[Any] | None) -> bool:
    return known is not None and cause.moment.is_older_than(Moment(known.version, known.happened_at))


def _open_items(known: Row[Any] | None) -> frozenset[str]:
    return frozenset(known.items) if known is not None and known.is_open else frozenset()


def _note_subject(
    cause: TaskCause, uow: UnitOfWork, *, task_id: UUID | None, is_open: bool, items: frozenset[str]
) -> None:
    row = {
        "kind": cause.kind,
        "subject_id": cause.subject_id,
        "task_id": task_id,
        "is_open": is_open,
        "facts": dict(cause.facts),
        "items": sorted(items),
        "version": cause.moment.version,
        "happened_at": cause.moment.happened_at,
    }
    upsert(uow.session, task_subjects, row, key=["kind", "subject_id"])


def _open_task_of(cause: TaskCause, uow: UnitOfWork) -> Row[Any] | None:
    return uow.session.execute(
        select(tasks)
        .where(tasks.c.kind == cause.kind, tasks.c.student_id == cause.student_id, tasks.c.state == "open")
        .with_for_update()
    ).first()


def _insert_task(cause: TaskCause, uow: UnitOfWork) -> Row[Any]:
    now = uow.clock.now()
    task_id = stable_id("task", cause.kind, str(cause.event_id))
    row = {
        "task_id": task_id,
        "kind": cause.kind,
        "student_id": cause.student_id,
        "state": "open",
        "facts": dict(cause.facts),
        "cause_count": 1,
        "cause_id": cause.event_id,
        "notice": dict(cause.notice) if cause.notice else None,
        "opened_at": now,
        "updated_at": now,
        "version": 1,
    }
    # Two workers may open at once: the unique index fails the second, whose event is then tried again and merges.
    uow.session.execute(insert(uow.session, tasks).values(row))
    return _locked(task_id, uow)


def _assign(task: Row[Any], counselor: UUID | None, uow: UnitOfWork) -> None:
    """Hand a task over and tell its new assignee; the chain continues from what opened it."""
    version = task.version + 1
    uow.session.execute(
        update(tasks)
        .where(tasks.c.task_id == task.task_id)
        .values(assignee_id=counselor, updated_at=uow.clock.now(), version=version)
    )
    if counselor is None:
        return
    _, envelope = load_cause(uow.session, task.cause_id)
    before, uow.cause = uow.cause, Cause.of(envelope)
    uow.emit(
        TaskOpened(task_id=task.task_id, student_id=task.student_id, assignee_id=counselor, kind=task.kind),
        version=version,
    )
    uow.cause = before
    if task.notice is not None:
        _tell(task.notice, counselor, cause_id=task.cause_id, student_id=task.student_id, uow=uow)


def _finish(task: Row[Any], *, outcome: str, done_by: UUID | None, uow: UnitOfWork) -> None:
    now: datetime = uow.clock.now()
    uow.session.execute(
        update(tasks)
        .where(tasks.c.task_id == task.task_id)
        .values(state="done", outcome=outcome, done_at=now, done_by=done_by, updated_at=now, version=task.version + 1)
    )
    if task.assignee_id is not None:
        uow.emit(
            TaskDone.model_validate(
                {
                    "task_id": task.task_id,
                    "student_id": task.student_id,
                    "assignee_id": task.assignee_id,
                    "kind": task.kind,
                    "outcome": outcome,
                }
            ),
            version=task.version + 1,
        )


def _tell(notice: Mapping[str, Any], counselor: UUID, *, cause_id: UUID, student_id: UUID, uow: UnitOfWork) -> None:
    telling = Telling(notice["template"], "counselor", tuple(notice["channels"]), notice["urgency"])
    queue_notices(telling, [counselor], cause_id=cause_id, student_id=student_id, uow=uow)


def _facts_of(task_id: UUID, uow: UnitOfWork) -> Mapping[str, Any] | None:
    """Facts of a task's newest open subject; None when all are closed."""
    open_subjects = uow.session.execute(
        select(task_subjects.c.happened_at, task_subjects.c.facts).where(
            task_subjects.c.task_id == task_id, task_subjects.c.is_open
        )
    ).all()
    return newest_facts([(row.happened_at, row.facts) for row in open_subjects]) if open_subjects else None


def _locked(task_id: UUID, uow: UnitOfWork) -> Row[Any]:
    return uow.session.execute(select(tasks).where(tasks.c.task_id == task_id).with_for_update()).one()
