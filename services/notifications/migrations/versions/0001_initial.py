"""First release: people, causes, notices, messages, tasks.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

from shared.database.migrations import create_shared_tables_v1, drop_shared_tables_v1
from shared.database.schema import Json, UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_shared_tables_v1()
    op.create_table(
        "recipients",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("language", sa.String(35), nullable=False),
        sa.Column("time_zone", sa.String(64), nullable=False),
        sa.Column("sealed_contact", sa.Text()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("person_id", name="pk_recipients"),
    )
    op.create_table(
        "students",
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("sealed_name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("student_id", name="pk_students"),
    )
    op.create_table(
        "causes",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("envelope", Json, nullable=False),
        sa.Column("payload", Json, nullable=False),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_causes"),
    )
    _create_notices()
    _create_messages()
    _create_tasks()


def _create_notices() -> None:
    op.create_table(
        "notices",
        sa.Column("notice_id", sa.Uuid(), nullable=False),
        sa.Column("cause_id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("recipient_id", sa.Uuid(), nullable=False),
        sa.Column("audience", sa.String(16), nullable=False),
        sa.Column("template", sa.String(40), nullable=False),
        sa.Column("channels", Json, nullable=False),
        sa.Column("urgency", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("acknowledged_at", UtcDateTime()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("notice_id", name="pk_notices"),
        sa.ForeignKeyConstraint(["cause_id"], ["causes.event_id"], name="fk_notices_cause_id_causes"),
        sa.UniqueConstraint("cause_id", "recipient_id", "template", name="uq_notices_cause_recipient_template"),
    )
    op.create_index("ix_notices_recipient", "notices", ["recipient_id", "created_at"])
    op.create_index("ix_notices_student", "notices", ["student_id", "created_at"])


def _create_messages() -> None:
    op.create_table(
        "messages",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("notice_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.String(8), nullable=False),
        sa.Column("urgency", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(60)),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("times_uncertain", sa.Integer(), nullable=False),
        sa.Column("attempt_id", sa.Uuid()),
        sa.Column("claimed_until", UtcDateTime()),
        sa.Column("next_attempt_at", UtcDateTime()),
        sa.Column("provider_id", sa.String(80)),
        sa.Column("reported", sa.String(16)),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("accepted_at", UtcDateTime()),
        sa.Column("finished_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("message_id", name="pk_messages"),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.notice_id"], name="fk_messages_notice_id_notices"),
        sa.UniqueConstraint("notice_id", "channel", name="uq_messages_notice_channel"),
    )
    due, sending = sa.text("state IN ('queued', 'uncertain')"), sa.text("state = 'sending'")
    op.create_index(
        "ix_messages_due", "messages", ["urgency", "next_attempt_at"], postgresql_where=due, sqlite_where=due
    )
    op.create_index(
        "ix_messages_sending", "messages", ["claimed_until"], postgresql_where=sending, sqlite_where=sending
    )


def _create_tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("assignee_id", sa.Uuid()),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("outcome", sa.String(16)),
        sa.Column("facts", Json, nullable=False),
        sa.Column("cause_count", sa.Integer(), nullable=False),
        sa.Column("cause_id", sa.Uuid(), nullable=False),
        sa.Column("notice", Json),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("done_at", UtcDateTime()),
        sa.Column("done_by", sa.Uuid()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("task_id", name="pk_tasks"),
        sa.ForeignKeyConstraint(["cause_id"], ["causes.event_id"], name="fk_tasks_cause_id_causes"),
    )
    is_open = sa.text("state = 'open'")
    op.create_index(
        "uq_tasks_open", "tasks", ["kind", "student_id"], unique=True, postgresql_where=is_open, sqlite_where=is_open
    )
    op.create_index("ix_tasks_assignee", "tasks", ["assignee_id", "state", "opened_at"])
    op.create_index("ix_tasks_student", "tasks", ["student_id", "opened_at"])
    op.create_table(
        "task_subjects",
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid()),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("facts", Json),
        sa.Column("items", Json, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("happened_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "subject_id", name="pk_task_subjects"),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.task_id"], name="fk_task_subjects_task_id_tasks"),
    )
    op.create_index("ix_task_subjects_task", "task_subjects", ["task_id"])


def downgrade() -> None:
    for table in ("task_subjects", "tasks", "messages", "notices", "causes", "students", "recipients"):
        op.drop_table(table)
    drop_shared_tables_v1()
