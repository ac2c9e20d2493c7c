"""A caseload file: who is counselor, case manager or teacher of whom, where the roster's source cannot say it."""

from typing import cast

from services.roster.contact_points import EMAIL_EXPECTED, email_address
from services.roster.imports.csv_table import Columns, Row, read_table
from services.roster.imports.findings import Findings
from services.roster.imports.package import Package
from services.roster.imports.progress import Progress
from services.roster.imports.records import CaseloadRow, Person, RoleHeld
from services.roster.imports.row_checks import DATE_EXPECTED, SOURCED_ID_EXPECTED, date_in, is_sourced_id
from services.roster.imports.snapshot import Snapshot
from shared.events.roster import StaffRelation

SOURCE = "caseload"
RELATIONS = ("counselor", "case_manager", "teacher")
_NAMES = ("given_name", "family_name", "email")
COLUMNS = Columns(
    ("student_sourced_id", "staff_sourced_id", "relation", *_NAMES, "begins_on", "ends_on"),
    required=frozenset({"student_sourced_id", "staff_sourced_id", "relation"}),
    used=frozenset({"student_sourced_id", "staff_sourced_id", "relation", *_NAMES, "begins_on", "ends_on"}),
    optional=frozenset({*_NAMES, "begins_on", "ends_on"}),
    extensions=None,
)


def read_caseload(package: Package, *, source: str | None, findings: Findings, progress: Progress) -> Snapshot:
    """
    Read a caseload file: `student_sourced_id,staff_sourced_id,relation`, optionally with
    `given_name,family_name,email` of staff who are on no roster, `begins_on` and `ends_on`.

    The file is complete: an assignment it no longer lists is ended, of those made under the same source.

    Raises:
        ImportRefused: There is at least one error.
    """
    names = [name for name in package.names() if name.lower().endswith(".csv")]
    if len(names) != 1:
        findings.error(package.name, None, "", f"{len(names)} CSV files", "one CSV file")
        findings.refuse_if_wrong()
    snapshot = Snapshot(source or SOURCE)
    snapshot.modes |= {"people": "bulk", "roles": "bulk", "caseload": "bulk"}
    file, total, done = names[0], package.size(names[0]), 0

    def count(chunk: int) -> None:
        nonlocal done
        done += chunk
        progress(f"reading {file}", min(done, total), total)

    try:
        with package.open(file) as stream:
            for row in read_table(file, stream, COLUMNS, findings, on_read=count):
                _keep(file, row, snapshot, findings)
        findings.refuse_if_wrong()
    except BaseException:
        snapshot.close()
        raise
    return snapshot


def _keep(file: str, row: Row, snapshot: Snapshot, findings: Findings) -> None:
    is_right = True
    for column in ("student_sourced_id", "staff_sourced_id"):
        if not is_sourced_id(row[column]):
            findings.error(file, row.line, column, row[column], SOURCED_ID_EXPECTED)
            is_right = False
    for column in ("begins_on", "ends_on"):
        if row[column] and not date_in(row[column]):
            findings.error(file, row.line, column, row[column], DATE_EXPECTED)
            is_right = False
    if row["relation"] not in RELATIONS:
        findings.error(file, row.line, "relation", row["relation"], f"one of {', '.join(RELATIONS)}")
        is_right = False
    if not is_right:
        return
    student, staff = row["student_sourced_id"], row["staff_sourced_id"]
    relation = cast(StaffRelation, row["relation"])
    begins, ends = date_in(row["begins_on"]), date_in(row["ends_on"])
    if not snapshot.add("caseload", CaseloadRow(student, staff, relation, begins, ends, file, row.line)):
        findings.warning(file, row.line, "student_sourced_id", student, f"{staff} once as {relation} of this student")
    if any(row[name] for name in _NAMES):
        _keep_staff(file, row, relation, snapshot, findings)


def _keep_staff(file: str, row: Row, relation: StaffRelation, snapshot: Snapshot, findings: Findings) -> None:
    staff = row["staff_sourced_id"]
    for name in ("given_name", "family_name"):
        if not row[name]:
            findings.error(file, row.line, name, "", f"a value: {name} is required to name the staff member")
            return
    email = email_address(row["email"]) if row["email"] else None
    if row["email"] and email is None:
        findings.warning(file, row.line, "email", row["email"], EMAIL_EXPECTED)
    person = Person(staff, row["given_name"], row["family_name"], email, None, None, None, file, row.line)
    if not snapshot.add("people", person):
        first = snapshot.query("SELECT given_name, family_name, email, line FROM people WHERE key = ?", staff)[0]
        if first[:3] != (person.given_name, person.family_name, person.email):
            shown = f"{row['given_name']} {row['family_name']} {row['email']}".strip()
            findings.error(file, row.line, "staff_sourced_id", shown, f"the same name and email as on line {first[3]}")
    role = RoleHeld(f"{staff}/{relation}", staff, relation, relation, True, None, None, None, None, file, row.line)
    snapshot.add("roles", role)
