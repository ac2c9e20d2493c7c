"""What must agree across the files of a OneRoster package, checked once all of them are read."""

from collections.abc import Mapping

from services.roster.imports.findings import Findings
from services.roster.imports.records import Mode
from services.roster.imports.snapshot import Snapshot

_LINK_COLUMN = "agentSourcedIds"


def check_references(snapshot: Snapshot, sent: Mapping[str, Mode], findings: Findings) -> None:
    """
    Report references into complete files that have no such row.

    References into a delta file, or into one that was not sent, may point at rows sent earlier; they
    are resolved against the store when the import is applied.

    Args:
        sent: Files in the package, by name without `.csv`.
    """
    _check_plain_references(snapshot, sent, findings)
    if sent.get("orgs") == "bulk":
        _check_schools(snapshot, findings)
    if sent.get("users") == "bulk":
        _check_people(snapshot, findings)
        if snapshot.modes.get("roles") == "bulk":
            _check_roles(snapshot, findings)
            _check_link_roles(snapshot, findings)


def _check_plain_references(snapshot: Snapshot, sent: Mapping[str, Mode], findings: Findings) -> None:
    unresolved = snapshot.rows(
        "SELECT r.target, r.value, r.file, r.line, r.column_name FROM refs r "
        "LEFT JOIN keys k ON k.file = r.target AND k.key = r.value WHERE k.key IS NULL ORDER BY r.file, r.line"
    )
    for target, value, file, line, column in unresolved:
        referring = sent.get(file.removesuffix(".csv"))
        if sent.get(target, referring) == "bulk":
            findings.warning(file, line, column, value, f"the sourcedId of a row in {target}.csv")


def _check_schools(snapshot: Snapshot, findings: Findings) -> None:
    for file, line, org, role in snapshot.rows(
        "SELECT r.file, r.line, r.org, r.role FROM roles r LEFT JOIN orgs o ON o.key = r.org "
        "WHERE r.org IS NOT NULL AND o.key IS NULL ORDER BY r.file, r.line"
    ):
        column = "orgSourcedIds" if file == "users.csv" else "orgSourcedId"
        severity = findings.error if role == "student" else findings.warning
        severity(file, line, column, org, "the sourcedId of a row in orgs.csv")


def _check_people(snapshot: Snapshot, findings: Findings) -> None:
    for table, column, shown, consequence in (
        ("links", "other", None, "; the link is left out"),
        ("links", "owner", "userSourcedId", "; the link is left out"),
        ("roles", "person", "userSourcedId", "; the role is left out"),
        ("birth_dates", "person", "sourcedId", "; the row is left out"),
        ("memberships", "person", "userSourcedId", "; the enrollment is left out"),
    ):
        for file, line, key in snapshot.rows(
            f"SELECT t.file, t.line, t.{column} FROM {table} t LEFT JOIN people p ON p.key = t.{column} "  # noqa: S608
            "WHERE p.key IS NULL ORDER BY t.file, t.line"
        ):
            named = shown or ("relationshipUserSourcedId" if file == "relationships.csv" else _LINK_COLUMN)
            findings.warning(file, line, named, key, f"the sourcedId of a row in users.csv{consequence}")


def _check_roles(snapshot: Snapshot, findings: Findings) -> None:
    for file, line, key in snapshot.rows(
        "SELECT p.file, p.line, p.key FROM people p LEFT JOIN roles r ON r.person = p.key "
        "WHERE r.key IS NULL ORDER BY p.line"
    ):
        findings.warning(file, line, "sourcedId", key, "a role as student, guardian or staff; nothing is done for them")
    for line, file, person, count in snapshot.rows(
        "SELECT max(line), file, person, count(*) FROM roles WHERE is_primary AND file = 'roles.csv' "
        "GROUP BY person, org, file HAVING count(*) > 1 ORDER BY 1"
    ):
        findings.warning(file, line, "roleType", f"{count} primary roles of {person}", "one primary role at each org")
    for file, line, person in snapshot.rows(
        "SELECT m.file, m.line, m.person FROM memberships m JOIN people p ON p.key = m.person WHERE m.role = 'student' "
        "AND NOT EXISTS (SELECT 1 FROM roles r WHERE r.person = m.person AND r.role = 'student') ORDER BY m.line"
    ):
        findings.warning(
            file, line, "userSourcedId", person, "a user with the role student; the enrollment is left out"
        )


def _check_link_roles(snapshot: Snapshot, findings: Findings) -> None:
    """A link gives access only between a student and somebody in a role that goes with such a link."""
    for file, line, other, roles in snapshot.rows(
        """
        SELECT l.file, l.line, l.other,
            coalesce((SELECT group_concat(DISTINCT relation) FROM roles WHERE person = l.other), '')
        FROM links l JOIN people p ON p.key = l.other JOIN people o ON o.key = l.owner
        WHERE NOT EXISTS (
            SELECT 1 FROM roles a JOIN roles b ON a.person = l.owner AND b.person = l.other
            WHERE (a.role = 'student' AND b.role IN ('guardian', 'counselor', 'case_manager'))
               OR (b.role = 'student' AND a.role IN ('guardian', 'counselor', 'case_manager'))
        ) ORDER BY l.file, l.line
        """
    ):
        findings.warning(
            file,
            line,
            _LINK_COLUMN,
            f"{other} ({roles})" if roles else other,
            "a student linked to a parent, guardian, relative or counselor; the link gives nobody access",
        )
