"""What a conflict is: something in the catalog that is taken in as it stands, although it cannot all be true."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

Severity = Literal["conflict", "note"]

COURSES = "courses"


@dataclass(frozen=True)
class Conflict:
    """
    One finding.

    `scope` is "courses" or the keys of the requirement sets it concerns; `subject` is a course code or the id
    of a requirement. A conflict changes what students are told; a note says what is kept but not checked.
    """

    scope: str
    kind: str
    subject: str
    severity: Severity
    detail: str
    where: str = ""


def in_order(conflicts: Iterable[Conflict]) -> list[Conflict]:
    """Conflicts before notes, each once: a finding that several requirement sets share names them all."""
    scopes: dict[Conflict, list[str]] = {}
    for each in conflicts:
        found = scopes.setdefault(replace(each, scope=""), [])
        if each.scope not in found:
            found.append(each.scope)
    merged = [replace(each, scope=", ".join(names)) for each, names in scopes.items()]
    return sorted(merged, key=lambda each: (each.severity, each.scope != COURSES, each.kind, each.subject, each.detail))
