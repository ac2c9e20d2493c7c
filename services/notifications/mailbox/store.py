"""What the mailbox keeps: the newest messages, in a file that survives restarts."""

import json
import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from services.notifications.mailbox.rules import read_headers, read_letter

CAPACITY = 10_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    received_at TEXT NOT NULL,
    recipient TEXT NOT NULL,
    subject TEXT NOT NULL,
    message_id TEXT NOT NULL,
    details TEXT NOT NULL,
    content BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS ix_messages_message_id ON messages (message_id);
CREATE INDEX IF NOT EXISTS ix_messages_recipient ON messages (recipient, position);
"""
_COLUMNS = "position, id, kind, received_at, recipient, subject, message_id, details, content"


@dataclass(frozen=True)
class Entry:
    """One message that arrived. `content` is the email as sent, or the text of an SMS."""

    position: int
    id: str
    kind: Literal["email", "sms"]
    received_at: datetime
    recipient: str
    subject: str
    message_id: str
    details: Mapping[str, Any]
    content: bytes

    def summary(self) -> dict[str, Any]:
        """As the list API shows it."""
        return {
            "id": self.id,
            "kind": self.kind,
            "received_at": self.received_at.isoformat(),
            "to": self.recipient,
            "subject": self.subject,
            "message_id": self.message_id,
            "correlation_id": self.details.get("X-Signpost-Correlation"),
            "text": self.content.decode() if self.kind == "sms" else read_letter(self.content).text,
        }


class MailboxStore:
    """
    A bounded, ordered store in one SQLite file. Safe to use from several threads.

    A message is durable against a kill -9 once `add_*` returns, and only then acknowledged to its sender.
    """

    def __init__(self, path: Path, *, capacity: int = CAPACITY) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._capacity = capacity
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        path.chmod(0o600)  # names and addresses in the clear
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute("PRAGMA busy_timeout=10000")
        self._connection.executescript(_SCHEMA)

    def add_email(self, recipient: str, content: bytes) -> str:
        headers = read_headers(content)
        return self._add(
            "email", recipient, headers.get("Subject", ""), headers.get("Message-ID", ""), headers, content
        )

    def add_sms(self, recipient: str, body: str, details: Mapping[str, str]) -> str:
        """Returns the id, which has the shape of Twilio's."""
        return self._add("sms", recipient, "", "", details, body.encode())

    def newest(self, equal: Mapping[str, str], *, before: int | None = None, limit: int = 100) -> list[Entry]:
        """
        The newest first.

        Args:
            equal: Columns that must have a value: kind, recipient, message_id.
            before: Position of the last entry of the page before.
        """
        if unknown := equal.keys() - {"kind", "recipient", "message_id"}:
            raise ValueError(f"messages cannot be found by {sorted(unknown)}")
        conditions = [f"{name} = ?" for name in equal]
        values: list[Any] = list(equal.values())
        if before is not None:
            conditions.append("position < ?")
            values.append(before)
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        statement = f"SELECT {_COLUMNS} FROM messages {where} ORDER BY position DESC LIMIT ?"  # noqa: S608 - own names
        with self._lock:
            rows = self._connection.execute(statement, [*values, limit]).fetchall()
        return [_entry(row) for row in rows]

    def find(self, entry_id: str) -> Entry | None:
        with self._lock:
            statement = f"SELECT {_COLUMNS} FROM messages WHERE id = ?"  # noqa: S608 - own names
            row = self._connection.execute(statement, [entry_id]).fetchone()
        return _entry(row) if row else None

    def count(self) -> int:
        with self._lock:
            return int(self._connection.execute("SELECT count(*) FROM messages").fetchone()[0])

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _add(
        self, kind: str, recipient: str, subject: str, message_id: str, details: Mapping[str, str], content: bytes
    ) -> str:
        entry_id = f"{'MM' if kind == 'email' else 'SM'}{uuid4().hex}"
        received_at = datetime.now(UTC).isoformat()
        row = (entry_id, kind, received_at, recipient, subject, message_id, json.dumps(dict(details)), content)
        with self._lock:
            cursor = self._connection.execute(
                "INSERT INTO messages (id, kind, received_at, recipient, subject, message_id, details, content) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            position = cursor.lastrowid or 0
            if position % 100 == 0:
                self._connection.execute("DELETE FROM messages WHERE position <= ?", [position - self._capacity])
        return entry_id


def _entry(row: tuple[Any, ...]) -> Entry:
    position, entry_id, kind, received_at, recipient, subject, message_id, details, content = row
    return Entry(
        position,
        entry_id,
        kind,
        datetime.fromisoformat(received_at),
        recipient,
        subject,
        message_id,
        json.loads(details),
        bytes(content),
    )
