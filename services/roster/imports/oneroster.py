"""OneRoster CSV 1.1 and 1.2, and Microsoft SDS 2.1, read into a snapshot."""

from collections.abc import Callable, Mapping

from services.roster.contact_points import EMAIL_EXPECTED, PHONE_EXPECTED, e164, email_address
from services.roster.imports.csv_table import Row, read_table
from services.roster.imports.findings import Findings
from services.roster.imports.manifest import Manifest, read_manifest
from services.roster.imports.oneroster_files import FileKind, Version, files_of
from services.roster.imports.package import Package
from services.roster.imports.progress import Progress
from services.roster.imports.records import BirthDate, Link, Membership, Mode, Org, Person, RoleHeld, Table
from services.roster.imports.reference_checks import check_references
from services.roster.imports.row_checks import RowChecks, day, listed
from services.roster.imports.snapshot import Snapshot
from services.roster.vocabulary import GUARDIAN_ROLES, UnknownGrade, grade_level, language_tag, role_of

UNNAMED_SOURCE = "oneroster"
# The normalised table each file fills; links come with users (or SDS relationships) and roles 1.1 with users.
_TABLES: Mapping[str, Table] = {
    "orgs": "orgs",
    "users": "people",
    "roles": "roles",
    "demographics": "birth_dates",
    "enrollments": "memberships",
    "relationships": "links",
}


def read_oneroster(
    package: Package, *, source: str | None, region: str, findings: Findings, progress: Progress
) -> Snapshot:
    """
    Read every file of a package, reporting all that is wrong with it.

    Args:
        source: Name to keep this system's records under; default: the manifest's system.
        region: ISO 3166 region of telephone numbers without a country code.

    Raises:
        ImportRefused: There is at least one error.
    """
    manifest = read_manifest(package, findings)
    if manifest is None:
        findings.refuse_if_wrong()
        raise AssertionError("a missing manifest is an error")
    snapshot = Snapshot(source or manifest.system or UNNAMED_SOURCE)
    try:
        _Reader(package, manifest, snapshot, region, findings, progress).read()
        check_references(snapshot, manifest.modes, findings)
        findings.refuse_if_wrong()
    except BaseException:
        snapshot.close()
        raise
    return snapshot


class _Reader:
    def __init__(
        self,
        package: Package,
        manifest: Manifest,
        snapshot: Snapshot,
        region: str,
        findings: Findings,
        progress: Progress,
    ) -> None:
        self._package = package
        self._manifest = manifest
        self._snapshot = snapshot
        self._region = region
        self._findings = findings
        self._progress = progress
        self._readers: Mapping[str, Callable[[FileKind, Row], None]] = {
            "orgs": self._org,
            "users": self._user,
            "roles": self._sds_role if manifest.version == "sds" else self._role,
            "demographics": self._demographics,
            "relationships": self._relationship,
            "enrollments": self._sds_enrollment if manifest.version == "sds" else self._enrollment,
        }

    def read(self) -> None:
        version = self._manifest.version
        for name, kind in files_of(version).items():
            mode = self._manifest.modes.get(name)
            if mode is None:
                continue
            if table := _TABLES.get(name):
                self._snapshot.modes[table] = mode
            if name == "users" and version != "sds":
                self._note_what_users_own(version, mode)
            self._read_file(kind, mode)

    def _note_what_users_own(self, version: Version, mode: Mode) -> None:
        owned: list[Table] = ["links", "roles"] if version == "1.1" else ["links"]
        for table in owned:
            self._snapshot.modes[table] = mode
            self._snapshot.owned.add(table)

    def _read_file(self, kind: FileKind, mode: Mode) -> None:
        name = self._manifest.file_names[kind.name]
        total, done = self._package.size(name), 0

        def count(chunk: int) -> None:
            nonlocal done
            done += chunk
            self._progress(f"reading {kind.file}", min(done, total), total)

        checks = RowChecks(kind, mode, self._snapshot, self._findings)
        keep = self._readers.get(kind.name)
        table = _TABLES.get(kind.name)
        with self._package.open(name) as stream:
            for row in read_table(kind.file, stream, kind.columns, self._findings, on_read=count):
                standing = checks.check(row)
                if keep is None or table is None or standing is None:
                    continue
                if standing == "active":
                    keep(kind, row)
                else:
                    self._snapshot.delete(table, row[kind.key_column or ""])

    def _org(self, kind: FileKind, row: Row) -> None:
        self._snapshot.add(
            "orgs",
            Org(
                row["sourcedId"],
                row["name"],
                row["type"],
                row["parentSourcedId"] or None,
                None,
                None,
                kind.file,
                row.line,
            ),
        )

    def _user(self, kind: FileKind, row: Row) -> None:
        key = row["sourcedId"]
        # `sms` is the number meant for messages; `phone` stands in for it.
        phones = [self._phone(kind, row, "sms"), self._phone(kind, row, "phone")]
        self._snapshot.add(
            "people",
            Person(
                key,
                row["givenName"],
                row["familyName"],
                self._email(kind, row),
                next((phone for phone in phones if phone), None),
                self._language(kind, row),
                self._grade(kind, row, "grades"),
                kind.file,
                row.line,
            ),
        )
        for agent in listed(row["agentSourcedIds"]):
            self._link(kind, row, key, agent, None, "agentSourcedIds")
        if kind.version == "1.1":
            self._roles_in_user(kind, row)

    def _roles_in_user(self, kind: FileKind, row: Row) -> None:
        role = role_of(row["role"])
        for position, org in enumerate(listed(row["orgSourcedIds"])):
            key = row["sourcedId"] if position == 0 else f"{row['sourcedId']}#{position}"
            if role is not None:
                self._snapshot.add(
                    "roles",
                    RoleHeld(
                        key,
                        row["sourcedId"],
                        role,
                        row["role"],
                        position == 0,
                        org,
                        None,
                        None,
                        None,
                        kind.file,
                        row.line,
                    ),
                )

    def _role(self, kind: FileKind, row: Row) -> None:
        role = role_of(row["role"].removeprefix("ext:"))
        if role is None:
            return
        self._snapshot.add(
            "roles",
            RoleHeld(
                row["sourcedId"],
                row["userSourcedId"],
                role,
                row["role"],
                row["roleType"] == "primary",
                row["orgSourcedId"] or None,
                day(row["beginDate"]),
                day(row["endDate"]),
                None,
                kind.file,
                row.line,
            ),
        )

    def _sds_role(self, kind: FileKind, row: Row) -> None:
        role = role_of(row["role"])
        if role is None:
            return
        self._snapshot.add(
            "roles",
            RoleHeld(
                "/".join((row["userSourcedId"], row["orgSourcedId"], row["role"], row["sessionSourcedId"])),
                row["userSourcedId"],
                role,
                row["role"],
                row["isPrimary"].lower() == "true",
                row["orgSourcedId"],
                day(row["roleStartDate"]),
                day(row["roleEndDate"]),
                self._grade(kind, row, "grade"),
                kind.file,
                row.line,
            ),
        )

    def _relationship(self, kind: FileKind, row: Row) -> None:
        """SDS: the first user is the student; the second is a guardian without a row in roles.csv."""
        relation = row["relationshipRole"].lower()
        if role_of(relation) != "guardian":
            self._findings.warning(
                kind.file,
                row.line,
                "relationshipRole",
                row["relationshipRole"],
                f"one of {', '.join(sorted(GUARDIAN_ROLES))}; the link is left out",
            )
            return
        guardian = row["relationshipUserSourcedId"]
        if self._link(kind, row, row["userSourcedId"], guardian, relation, "relationshipUserSourcedId"):
            role = RoleHeld(
                f"{guardian}/relationship",
                guardian,
                "guardian",
                relation,
                False,
                None,
                None,
                None,
                None,
                kind.file,
                row.line,
            )
            self._snapshot.add("roles", role)

    def _link(self, kind: FileKind, row: Row, owner: str, other: str, relation: str | None, column: str) -> bool:
        if owner == other:
            self._findings.warning(kind.file, row.line, column, other, "somebody else; the link is left out")
            return False
        if not self._snapshot.add("links", Link(owner, other, relation, kind.file, row.line)):
            self._findings.warning(kind.file, row.line, column, other, "each link once")
            return False
        return True

    def _demographics(self, kind: FileKind, row: Row) -> None:
        born_on = day(row["birthDate"])
        person = row[kind.key_column or ""]
        if born_on is None:
            self._snapshot.delete("birth_dates", person)
        else:
            self._snapshot.add("birth_dates", BirthDate(person, born_on, kind.file, row.line))

    def _enrollment(self, kind: FileKind, row: Row) -> None:
        self._snapshot.add(
            "memberships",
            Membership(
                row["sourcedId"],
                row["classSourcedId"],
                row["userSourcedId"],
                row["role"],
                day(row["beginDate"]),
                day(row["endDate"]),
                kind.file,
                row.line,
            ),
        )

    def _sds_enrollment(self, kind: FileKind, row: Row) -> None:
        role = role_of(row["role"])
        key = "/".join((row["classSourcedId"], row["userSourcedId"], row["role"]))
        self._snapshot.add(
            "memberships",
            Membership(
                key, row["classSourcedId"], row["userSourcedId"], role or row["role"], None, None, kind.file, row.line
            ),
        )

    def _grade(self, kind: FileKind, row: Row, column: str) -> int | None:
        levels = []
        for text in listed(row[column]):
            try:
                level, is_ceds = grade_level(text)
            except UnknownGrade:
                expected = "a CEDS grade: IT PR PK TK KG 01 to 13 PS UG Other; left out"
                self._findings.warning(kind.file, row.line, column, text, expected)
                continue
            if not is_ceds:
                self._findings.warning(
                    kind.file, row.line, column, text, "the CEDS code, such as 09; read as that grade"
                )
            if level is not None:
                levels.append(level)
        if len(set(levels)) > 1:
            self._findings.warning(kind.file, row.line, column, row[column], "one grade; the highest is taken")
        return max(levels, default=None)

    def _language(self, kind: FileKind, row: Row) -> str | None:
        for column in ("metadata.homeLanguage", "metadata.language"):
            if text := row[column]:
                tag = language_tag(text)
                if tag is None:
                    expected = "a language tag such as en or es; English is taken"
                    self._findings.warning(kind.file, row.line, column, text, expected)
                return tag
        return None

    def _email(self, kind: FileKind, row: Row) -> str | None:
        if not (text := row["email"]):
            return None
        address = email_address(text)
        if address is None:
            self._findings.warning(kind.file, row.line, "email", text, EMAIL_EXPECTED)
        return address

    def _phone(self, kind: FileKind, row: Row, column: str) -> str | None:
        if not (text := row[column]):
            return None
        number = e164(text, region=self._region)
        if number is None:
            self._findings.warning(kind.file, row.line, column, text, PHONE_EXPECTED)
        return number
