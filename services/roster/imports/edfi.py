"""Ed-Fi 5.2 XML interchanges read into a snapshot: students, contacts, schools, and enrollment and staff if sent."""

from collections.abc import Callable, Mapping
from datetime import date

from services.roster.contact_points import EMAIL_EXPECTED, PHONE_EXPECTED, e164, email_address
from services.roster.imports.findings import Findings
from services.roster.imports.package import Package
from services.roster.imports.progress import Progress
from services.roster.imports.records import BirthDate, Link, Org, Person, RoleHeld
from services.roster.imports.snapshot import Snapshot
from services.roster.imports.xml_records import Element, read_records, root_of
from services.roster.vocabulary import Role, UnknownGrade, grade_level, language_tag

# Roots whose records are read, in the order in which they refer to each other.
INTERCHANGES = (
    "InterchangeEducationOrganization",
    "InterchangeStudent",
    "InterchangeStudentEnrollment",
    "InterchangeContact",
    "InterchangeParent",
    "InterchangeStaffAssociation",
)
LONGEST_RELATION = 64
# Numbers by how likely they take a text message; a fax never does.
_PHONE_PREFERENCE = ("Mobile", "Home", "Other", "Unlisted", "Emergency 1", "Emergency 2", "Work")
_EMAIL_PREFERENCE = ("Home/Personal", "Other", "Work", "Organization")
_STAFF_ROLES: Mapping[str, Role] = {"Counselor": "counselor", "School Counselor": "counselor", "Teacher": "teacher"}


def read_edfi(package: Package, *, source: str | None, region: str, findings: Findings, progress: Progress) -> Snapshot:
    """
    Read every interchange of a package, reporting all that is wrong with it.

    An interchange is recognised by its root element, whatever its file is called. All of them are
    complete: Ed-Fi files carry no changes.

    Args:
        source: Name to keep these records under; default: `edfi/` and the local education agency's id.
        region: ISO 3166 region of telephone numbers without a country code.

    Raises:
        ImportRefused: There is at least one error.
    """
    files = _interchanges(package, findings)
    findings.refuse_if_wrong()
    snapshot = Snapshot(source or "edfi")
    try:
        reader = _Reader(snapshot, region, findings)
        for interchange in INTERCHANGES:
            for file in files.get(interchange, ()):
                reader.read(package, file, progress)
        reader.finish(files)
        if source is None and reader.agency:
            snapshot.source = f"edfi/{reader.agency}"
        findings.refuse_if_wrong()
    except BaseException:
        snapshot.close()
        raise
    return snapshot


def _interchanges(package: Package, findings: Findings) -> dict[str, list[str]]:
    files: dict[str, list[str]] = {}
    for name in package.names():
        if not name.lower().endswith(".xml"):
            continue
        with package.open(name) as stream:
            root = root_of(stream)
        if root is None:
            findings.error(name, 1, "", name, "an Ed-Fi interchange in well-formed XML")
        else:
            files.setdefault(root, []).append(name)
    if "InterchangeStudent" not in files:
        findings.error(package.name, None, "", "missing", "a file with the root element InterchangeStudent")
    if "InterchangeEducationOrganization" not in files:
        findings.error(
            package.name, None, "", "missing", "a file with the root element InterchangeEducationOrganization"
        )
    return files


class _Reader:
    def __init__(self, snapshot: Snapshot, region: str, findings: Findings) -> None:
        self.agency: str | None = None
        self._snapshot = snapshot
        self._region = region
        self._findings = findings
        self._file = ""
        self._enrolled = 0
        self._ids: dict[str, str] = {}  # the XML id of an organisation or contact -> its key
        self._languages: dict[str, str] = {}
        self._records: Mapping[str, Callable[[Element], None]] = {
            "LocalEducationAgency": self._agency,
            "School": self._school,
            "Student": self._student,
            "StudentSchoolAssociation": self._enrollment,
            "StudentEducationOrganizationAssociation": self._student_language,
            "Contact": self._contact,
            "Parent": self._contact,
            "StudentContactAssociation": self._association,
            "StudentParentAssociation": self._association,
            "Staff": self._staff,
            "StaffEducationOrganizationAssignmentAssociation": self._assignment,
        }
        snapshot.ended_means_left = True
        for table in ("orgs", "people", "roles", "birth_dates", "links"):
            snapshot.modes[table] = "bulk"
        snapshot.run("CREATE TABLE students (key, file, line)")

    def read(self, package: Package, file: str, progress: Progress) -> None:
        total, done = package.size(file), 0

        def count(chunk: int) -> None:
            nonlocal done
            done += chunk
            progress(f"reading {file}", min(done, total), total)

        self._file = file
        with package.open(file) as stream:
            for record in read_records(file, stream, self._findings, on_read=count):
                if keep := self._records.get(record.tag):
                    keep(record)

    def finish(self, files: Mapping[str, list[str]]) -> None:
        """What can only be said once all interchanges are read."""
        if self._enrolled == 0:
            self._findings.warning(
                "StudentEnrollment.xml",
                None,
                "StudentSchoolAssociation",
                "missing",
                "each student's school and grade; the grade is taken from the age when the school year starts and the "
                "school from the grades it offers",
            )
            for key, file, line in self._snapshot.rows("SELECT key, file, line FROM students"):
                self._role(key, "student", None, None, None, Element("Student", line, {}), file=file)
        else:
            self._report_not_enrolled()
        for file, line, key in self._snapshot.rows(
            "SELECT l.file, l.line, l.owner FROM links l LEFT JOIN people p ON p.key = l.owner WHERE p.key IS NULL"
        ):
            column = "StudentReference/StudentIdentity/StudentUniqueId"
            self._findings.error(file, line, column, key, "the StudentUniqueId of a Student")
        for student, tag in self._languages.items():
            self._snapshot.run("UPDATE people SET language = ? WHERE key = ?", tag, student)
        self._report_unreachable()

    def _agency(self, record: Element) -> None:
        self._organization(record, record.value("LocalEducationAgencyId"), "district")
        self.agency = self.agency or record.value("LocalEducationAgencyId") or None

    def _school(self, record: Element) -> None:
        self._organization(record, record.value("SchoolId"), "school")

    def _organization(self, record: Element, key: str, type_: str) -> None:
        if not key:
            self._missing(record, f"{record.tag}Id")
            return
        if xml_id := record.attributes.get("id"):
            self._ids[xml_id] = key
        levels = [self._grade(level.text, record.tag + "/GradeLevel", level.line) for level in record.all("GradeLevel")]
        grades = [level for level in levels if level is not None]
        org = Org(
            key,
            record.value("NameOfInstitution"),
            type_,
            self._reference(record, "LocalEducationAgencyReference", "LocalEducationAgencyId"),
            min(grades, default=None),
            max(grades, default=None),
            self._file,
            record.line,
        )
        if not self._snapshot.add("orgs", org):
            self._findings.error(self._file, record.line, f"{record.tag}Id", key, "each organisation once")

    def _student(self, record: Element) -> None:
        key = record.value("StudentUniqueId")
        if not self._person(record, key, "StudentUniqueId"):
            return
        self._snapshot.run("INSERT INTO students VALUES (?, ?, ?)", key, self._file, record.line)
        text = record.value("BirthData/BirthDate")
        born_on = self._date(text, record, "BirthData/BirthDate")
        if born_on is not None:
            self._snapshot.add("birth_dates", BirthDate(key, born_on, self._file, record.line))

    def _contact(self, record: Element) -> None:
        column = f"{record.tag}UniqueId"
        number = record.value(column)
        if number and (xml_id := record.attributes.get("id")):
            self._ids[xml_id] = f"contact/{number}"
        self._person(record, f"contact/{number}" if number else "", column)

    def _staff(self, record: Element) -> None:
        number = record.value("StaffUniqueId")
        if number and (xml_id := record.attributes.get("id")):
            self._ids[xml_id] = f"staff/{number}"
        self._person(record, f"staff/{number}" if number else "", "StaffUniqueId")

    def _person(self, record: Element, key: str, column: str) -> bool:
        names = record.value("Name/FirstName"), record.value("Name/LastSurname")
        for path, value in zip(("Name/FirstName", "Name/LastSurname"), names, strict=True):
            if not value:
                self._missing(record, path)
        if not key or not all(names):
            if not key:
                self._missing(record, column)
            return False
        person = Person(
            key,
            *names,
            self._email(record),
            self._phone(record),
            self._language(record),
            None,
            self._file,
            record.line,
        )
        if self._snapshot.add("people", person):
            return True
        self._findings.error(
            self._file, record.line, f"{record.tag}/{column}", record.value(column), "each person once"
        )
        return False

    def _enrollment(self, record: Element) -> None:
        student = self._reference(record, "StudentReference", "StudentUniqueId")
        school = self._reference(record, "SchoolReference", "SchoolId")
        if student is None or school is None:
            self._missing(record, "StudentReference" if student is None else "SchoolReference")
            return
        self._enrolled += 1
        grade = self._grade(
            record.value("EntryGradeLevel"), f"{record.tag}/EntryGradeLevel", record.line_of("EntryGradeLevel")
        )
        begins = self._date(record.value("EntryDate"), record, "EntryDate")
        ends = self._date(record.value("ExitWithdrawDate"), record, "ExitWithdrawDate")
        self._role(student, "student", school, begins, ends, record, grade=grade)

    def _student_language(self, record: Element) -> None:
        student = self._reference(record, "StudentReference", "StudentUniqueId")
        if student and (tag := self._language(record)):
            self._languages[student] = tag

    def _association(self, record: Element) -> None:
        kind = "Contact" if record.tag == "StudentContactAssociation" else "Parent"
        student = self._reference(record, "StudentReference", "StudentUniqueId")
        number = self._reference(record, f"{kind}Reference", f"{kind}UniqueId")
        if student is None or number is None:
            self._missing(record, "StudentReference" if student is None else f"{kind}Reference")
            return
        contact = number if number.startswith("contact/") else f"contact/{number}"
        if self._snapshot.query("SELECT 1 FROM people WHERE key = ?", contact) == []:
            column = f"{record.tag}/{kind}Reference"
            self._findings.error(self._file, record.line, column, number, f"the id of a {kind} in the package")
            return
        relation = _descriptor(record.value("Relation")).lower()[:LONGEST_RELATION] or "guardian"
        if not self._snapshot.add("links", Link(student, contact, relation, self._file, record.line)):
            self._findings.warning(self._file, record.line, record.tag, f"{student} {number}", "each link once")
        self._role(contact, "guardian", None, None, None, record, key=contact)

    def _assignment(self, record: Element) -> None:
        number = self._reference(record, "StaffReference", "StaffUniqueId")
        if number is None:
            self._missing(record, "StaffReference")
            return
        staff = number if number.startswith("staff/") else f"staff/{number}"
        school = self._reference(record, "EducationOrganizationReference", "EducationOrganizationId")
        word = _descriptor(record.value("StaffClassification"))
        role = _STAFF_ROLES.get(word, "staff")
        begins = self._date(record.value("BeginDate"), record, "BeginDate")
        ends = self._date(record.value("EndDate"), record, "EndDate")
        self._role(staff, role, school, begins, ends, record)

    def _role(
        self,
        person: str,
        role: Role,
        org: str | None,
        begins_on: date | None,
        ends_on: date | None,
        record: Element,
        *,
        grade: int | None = None,
        key: str | None = None,
        file: str | None = None,
    ) -> None:
        key = key or "/".join((person, role, org or "", begins_on.isoformat() if begins_on else ""))
        held = RoleHeld(
            key, person, role, role, ends_on is None, org, begins_on, ends_on, grade, file or self._file, record.line
        )
        self._snapshot.add("roles", held)

    def _reference(self, record: Element, reference: str, identity: str) -> str | None:
        """The key a reference names, either by the identity inside it or by the XML id of an element of the package."""
        element = record.first(reference)
        if element is None:
            return None
        inner = reference.removesuffix("Reference") + "Identity"
        named = element.value(f"{inner}/{identity}") or element.value(identity)
        return named or self._ids.get(element.attributes.get("ref", ""))

    def _email(self, record: Element) -> str | None:
        found = []
        for mail in record.all("ElectronicMail"):
            text = mail.value("ElectronicMailAddress")
            address = email_address(text)
            if address is None:
                column = f"{record.tag}/ElectronicMail/ElectronicMailAddress"
                self._findings.warning(self._file, mail.line, column, text, EMAIL_EXPECTED)
            else:
                found.append((_rank(_descriptor(mail.value("ElectronicMailType")), _EMAIL_PREFERENCE), address))
        return min(found)[1] if found else None

    def _phone(self, record: Element) -> str | None:
        found = []
        for phone in record.all("Telephone"):
            text = phone.value("TelephoneNumber")
            kind = _descriptor(phone.value("TelephoneNumberType"))
            number = e164(text, region=self._region)
            if number is None:
                column = f"{record.tag}/Telephone/TelephoneNumber"
                self._findings.warning(self._file, phone.line, column, text, PHONE_EXPECTED)
            elif kind != "Fax":
                takes_text = phone.value("TextMessageCapabilityIndicator") in ("true", "1")
                order = phone.value("OrderOfPriority")
                rank = _rank(kind, _PHONE_PREFERENCE)
                found.append((not takes_text, rank, int(order) if order.isdigit() else 99, number))
        return min(found)[-1] if found else None

    def _language(self, record: Element) -> str | None:
        """The home language if one is marked so, else the first."""
        languages = record.all("Language")
        home = [each for each in languages if _descriptor(each.value("LanguageUse")) == "Home language"]
        for element in home or languages[:1]:
            word = _descriptor(element.value("Language"))
            if tag := language_tag(word):
                return tag
            column = f"{record.tag}/Language/Language"
            self._findings.warning(self._file, element.line, column, word, "a language; English is taken")
        return None

    def _grade(self, text: str, column: str, line: int) -> int | None:
        word = _descriptor(text.strip())
        if not word:
            return None
        try:
            return grade_level(word)[0]
        except UnknownGrade:
            self._findings.warning(
                self._file, line, column, word, "a GradeLevelDescriptor such as Ninth grade; left out"
            )
            return None

    def _date(self, text: str, record: Element, path: str) -> date | None:
        if not text:
            return None
        try:
            return date.fromisoformat(text)
        except ValueError:
            column = f"{record.tag}/{path}"
            self._findings.error(self._file, record.line_of(path), column, text, "a date YYYY-MM-DD")
            return None

    def _missing(self, record: Element, path: str) -> None:
        self._findings.error(self._file, record.line, f"{record.tag}/{path}", "", f"a value: {path} is required")

    def _report_not_enrolled(self) -> None:
        for file, line, key in self._snapshot.rows(
            "SELECT s.file, s.line, s.key FROM students s LEFT JOIN roles r ON r.person = s.key WHERE r.key IS NULL"
        ):
            self._findings.warning(
                file, line, "Student/StudentUniqueId", key, "a StudentSchoolAssociation; taken as not enrolled"
            )
        for file, line, key in self._snapshot.rows(
            "SELECT r.file, r.line, r.org FROM roles r LEFT JOIN orgs o ON o.key = r.org "
            "WHERE r.role = 'student' AND o.key IS NULL"
        ):
            self._findings.error(file, line, "SchoolReference/SchoolIdentity/SchoolId", key, "the SchoolId of a School")

    def _report_unreachable(self) -> None:
        for file, line, key in self._snapshot.rows(
            "SELECT file, line, key FROM people WHERE key LIKE 'contact/%' AND email IS NULL AND phone IS NULL "
            "ORDER BY file, line"
        ):
            column = "Contact/Telephone"
            number = key.removeprefix("contact/")
            self._findings.warning(
                file, line, column, number, "an email address or a telephone other than a fax; cannot be written to"
            )


def _descriptor(text: str) -> str:
    """The code of a descriptor: `Mother` of `uri://ed-fi.org/RelationDescriptor#Mother`."""
    return text.rpartition("#")[2].strip()


def _rank(word: str, preference: tuple[str, ...]) -> int:
    return preference.index(word) if word in preference else len(preference)
