"""Tasks, and the things each one is about."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Uuid, text

from services.notifications.tables import metadata
from shared.database.schema import Json, UtcDateTime

_OPEN = text("state = 'open'")

# A task without an assignee waits for the student's counselor to be known; nobody has been told of it.
tasks = Table(
    "tasks",
    metadata,
    Column("task_id", Uuid, primary_key=True),
    Column("kind", String(24), nullable=False),
    Column("student_id", Uuid, nullable=False),
    Column("assignee_id", Uuid),
    Column("state", String(8), nullable=False),  # open, done
    Column("outcome", String(16)),  # done, repaired, superseded
    Column("facts", Json, nullable=False),  # payload of the newest cause
    Column("cause_count", Integer, nullable=False),
    Column("cause_id", Uuid, ForeignKey("causes.event_id"), nullable=False),  # what opened it
    Column("notice", Json),  # template, channels and urgency of what the assignee is told
    Column("opened_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("done_at", UtcDateTime),
    Column("done_by", Uuid),
    Column("version", Integer, nullable=False),
    Index("uq_tasks_open", "kind", "student_id", unique=True, postgresql_where=_OPEN, sqlite_where=_OPEN),
    Index("ix_tasks_assignee", "assignee_id", "state", "opened_at"),
    Index("ix_tasks_student", "student_id", "opened_at"),
)

# The plan or match that a task was opened about, and the newest event about it that counted: events arrive in any
# order, and a task closed for one match stays open for a newer one.
task_subjects = Table(
    "task_subjects",
    metadata,
    Column("kind", String(24), primary_key=True),
    Column("subject_id", Uuid, primary_key=True),
    Column("task_id", Uuid, ForeignKey("tasks.task_id")),
    Column("is_open", Boolean, nullable=False),
    Column("facts", Json),
    Column("items", Json, nullable=False),  # what exactly is open about it, such as ids of requirements
    Column("version", Integer, nullable=False),
    Column("happened_at", UtcDateTime, nullable=False),
    Index("ix_task_subjects_task", "task_id"),
)
