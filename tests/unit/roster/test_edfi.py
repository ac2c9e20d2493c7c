"""Ed-Fi interchanges: Grand Bend as it is, and small ones made up to be wrong or richer."""

from collections import Counter
from pathlib import Path

import pytest

from services.roster.guardianships.tables import guardianships
from services.roster.imports.mirror import person_id_of
from services.roster.people.tables import people
from services.roster.students.tables import schools, students
from shared.events.roster import SealedContact
from shared.sealing import Sealer
from tests.unit.roster.conftest import Roster, errors_and_warnings

SCHOOLS = """
  <LocalEducationAgency id="A"><LocalEducationAgencyId>77</LocalEducationAgencyId>
    <NameOfInstitution>Example ISD</NameOfInstitution></LocalEducationAgency>
  <School id="H"><SchoolId>7701</SchoolId><NameOfInstitution>Example High School</NameOfInstitution>
    <GradeLevel>uri://ed-fi.org/GradeLevelDescriptor#Ninth grade</GradeLevel>
    <GradeLevel>uri://ed-fi.org/GradeLevelDescriptor#Twelfth grade</GradeLevel></School>
"""


def student(number: int = 1, *, born: str = "2011-05-01", more: str = "") -> str:
    return f"""
  <Student><StudentUniqueId>{number}</StudentUniqueId>
    <Name><FirstName>Given</FirstName><LastSurname>Family</LastSurname></Name>
    <BirthData><BirthDate>{born}</BirthDate></BirthData>{more}</Student>"""


def contact(number: int = 5, *, more: str = "") -> str:
    return f"""
  <Contact id="C{number}"><ContactUniqueId>{number}</ContactUniqueId>
    <Name><FirstName>Parent</FirstName><LastSurname>Family</LastSurname></Name>{more}</Contact>"""


def link(student_number: int = 1, ref: str = "C5", relation: str = "Mother") -> str:
    return f"""
  <StudentContactAssociation><StudentReference><StudentIdentity>
    <StudentUniqueId>{student_number}</StudentUniqueId></StudentIdentity></StudentReference>
    <ContactReference ref="{ref}"/><Relation>uri://ed-fi.org/RelationDescriptor#{relation}</Relation>
  </StudentContactAssociation>"""


def enrollment(student_number: int = 1, *, grade: str = "Tenth grade", more: str = "") -> str:
    return f"""
  <StudentSchoolAssociation><StudentReference><StudentIdentity>
    <StudentUniqueId>{student_number}</StudentUniqueId></StudentIdentity></StudentReference>
    <SchoolReference><SchoolIdentity><SchoolId>7701</SchoolId></SchoolIdentity></SchoolReference>
    <EntryDate>2026-08-20</EntryDate>
    <EntryGradeLevel>uri://ed-fi.org/GradeLevelDescriptor#{grade}</EntryGradeLevel>{more}
  </StudentSchoolAssociation>"""


class District:
    """Interchanges in a folder, by root element."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("EducationOrganization", SCHOOLS).write("Student", student())

    def write(self, interchange: str, content: str) -> "District":
        root = f"Interchange{interchange}"
        text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="http://ed-fi.org/5.2.0">{content}\n</{root}>\n'
        (self.folder / f"{interchange}.xml").write_text(text, encoding="utf-8")
        return self


@pytest.fixture
def district(tmp_path: Path) -> District:
    folder = tmp_path / "edfi"
    folder.mkdir()
    return District(folder)


class TestGrandBend:
    @pytest.fixture(autouse=True)
    def grand_bend(self, shared_data: Path) -> Path:
        return shared_data / "edfi_grand_bend"

    def test_goes_in_whole_and_says_nothing_new_the_second_time(self, roster: Roster, grand_bend: Path) -> None:
        report = roster.take_in(grand_bend, "edfi")
        again = roster.take_in(grand_bend, "edfi")

        assert (report.state, report.source) == ("applied", "edfi/255901")
        assert {kind: counts.added for kind, counts in report.counts.items()} == {
            "schools": 4,
            "people": 960 + 1873,
            "students": 960,
            "guardianships": 1872,
            "caseloads": 0,
        }
        assert report.events == {
            "roster.student.enrolled.v1": 960,
            "roster.guardianship.granted.v1": 1872,
            # One contact of the file is linked to nobody, and so is told of to nobody.
            "roster.contact.changed.v1": 960 + 1872,
        }
        assert Counter(row["relation"] for row in roster.rows(guardianships)) == {"father": 960, "mother": 912}
        assert (again.state, again.event_count) == ("unchanged", 0)
        assert again.counts["students"].unchanged == 960

    def test_puts_students_where_their_age_says_and_reports_that(self, roster: Roster, grand_bend: Path) -> None:
        report = roster.take_in(grand_bend, "edfi", school_year=2021)

        names = {row["school_id"]: row["name"] for row in roster.rows(schools)}
        placed = {(names[row["school_id"]], row["grade"]) for row in roster.rows(students)}
        assert ("Grand Bend High School", 9) in placed
        assert ("Grand Bend Middle School", 6) in placed
        assert ("Grand Bend Elementary School", -1) in placed
        found = errors_and_warnings(report.findings)
        assert "taken from the age" in found["StudentEnrollment.xml", None, "StudentSchoolAssociation"].expected
        assert any("age on 2021-08-01" in finding.expected for finding in report.findings)


class TestContacts:
    def test_takes_the_number_most_likely_to_take_a_message_and_no_fax(
        self, roster: Roster, district: District
    ) -> None:
        phones = [("Fax", "605 555 0100"), ("Work", "605 555 0101"), ("Mobile", "605 555 0102"), ("Home", "x")]
        more = "".join(
            f"<Telephone><TelephoneNumber>{number}</TelephoneNumber><TelephoneNumberType>"
            f"uri://ed-fi.org/TelephoneNumberTypeDescriptor#{kind}</TelephoneNumberType></Telephone>"
            for kind, number in phones
        )
        mail = "<ElectronicMail><ElectronicMailAddress>P@Example.ORG</ElectronicMailAddress></ElectronicMail>"
        district.write("Contact", contact(more=mail + more) + link())

        report = roster.take_in(district.folder, "edfi")

        (row,) = [row for row in roster.rows(people) if row["kind"] == "guardian"]
        opened = SealedContact.model_validate(Sealer.from_settings(roster.settings).open(row["sealed_contact"]))
        assert (opened.email, opened.phone) == ("P@example.org", "+16055550102")
        assert "x" in {finding.value for finding in report.findings}

    def test_says_who_cannot_be_written_to(self, roster: Roster, district: District) -> None:
        district.write("Contact", contact() + link())

        found = errors_and_warnings(roster.take_in(district.folder, "edfi").findings)

        assert found["Contact.xml", 3, "Contact/Telephone"].value == "5"

    def test_reads_home_languages(self, roster: Roster, district: District) -> None:
        spanish = (
            "<Language><Language>uri://ed-fi.org/LanguageDescriptor#spa</Language>"
            "<LanguageUse>uri://ed-fi.org/LanguageUseDescriptor#Home language</LanguageUse></Language>"
        )
        of_student = (
            "<StudentEducationOrganizationAssociation><StudentReference><StudentIdentity><StudentUniqueId>1"
            f"</StudentUniqueId></StudentIdentity></StudentReference>{spanish}</StudentEducationOrganizationAssociation>"
        )
        district.write("StudentEnrollment", enrollment() + of_student)
        district.write("Contact", contact(more=spanish) + link())

        roster.take_in(district.folder, "edfi")

        assert {event["language"] for event in roster.events("contact.changed")} == {"es"}
        assert roster.events("student.enrolled")[0]["home_language"] == "es"


class TestEnrollment:
    def test_takes_school_and_grade_where_they_are_given(self, roster: Roster, district: District) -> None:
        report = roster.take_in(district.write("StudentEnrollment", enrollment()).folder, "edfi")

        assert roster.rows(students)[0]["grade"] == 10
        assert report.findings == []

    def test_withdraws_a_student_whose_exit_is_past(self, roster: Roster, district: District) -> None:
        district.write("Student", "".join(student(number) for number in range(1, 31)))
        everybody = "".join(enrollment(number) for number in range(1, 30))
        roster.take_in(district.write("StudentEnrollment", everybody + enrollment(30)).folder, "edfi")

        left = enrollment(30, more="<ExitWithdrawDate>2026-09-10</ExitWithdrawDate>")
        report = roster.take_in(district.write("StudentEnrollment", everybody + left).folder, "edfi")

        assert (report.state, report.counts["students"].removed) == ("applied", 1)
        (event,) = roster.events("student.withdrawn")
        assert event["student_id"] == str(person_id_of("edfi/77", "30"))

    def test_takes_in_staff_with_their_roles(self, roster: Roster, district: District) -> None:
        staff = (
            '<Staff id="S"><StaffUniqueId>9</StaffUniqueId><Name><FirstName>A</FirstName><LastSurname>B</LastSurname>'
            '</Name></Staff><StaffEducationOrganizationAssignmentAssociation><StaffReference ref="S"/>'
            "<EducationOrganizationReference><EducationOrganizationIdentity><EducationOrganizationId>7701"
            "</EducationOrganizationId></EducationOrganizationIdentity></EducationOrganizationReference>"
            "<StaffClassification>uri://ed-fi.org/StaffClassificationDescriptor#Counselor</StaffClassification>"
            "<BeginDate>2020-08-01</BeginDate></StaffEducationOrganizationAssignmentAssociation>"
        )
        roster.take_in(district.write("StaffAssociation", staff).folder, "edfi")

        (counselor,) = [row for row in roster.rows(people) if row["kind"] == "staff"]
        assert counselor["sourced_id"] == "staff/9"


class TestRefusals:
    def test_names_line_element_and_value(self, roster: Roster, district: District) -> None:
        (error,) = roster.refusal(district.write("Student", student(born="5/1/2011")).folder, "edfi")

        assert (error.file, error.line, error.column) == ("Student.xml", 5, "Student/BirthData/BirthDate")
        assert (error.value, error.expected) == ("5/1/2011", "a date YYYY-MM-DD")

    def test_reports_every_error_at_once(self, roster: Roster, district: District) -> None:
        district.write("Student", student(1) + student(1) + student(2, born="x"))
        district.write("Contact", contact() + link(9) + link(1, "C6"))

        errors = {(error.column, error.value) for error in roster.refusal(district.folder, "edfi")}

        assert errors == {
            ("Student/StudentUniqueId", "1"),
            ("Student/BirthData/BirthDate", "x"),
            ("StudentReference/StudentIdentity/StudentUniqueId", "9"),
            ("StudentContactAssociation/ContactReference", ""),
        }

    def test_refuses_a_package_without_students(self, roster: Roster, district: District) -> None:
        (district.folder / "Student.xml").unlink()

        (error,) = roster.refusal(district.folder, "edfi")

        assert error.expected == "a file with the root element InterchangeStudent"

    def test_refuses_broken_xml_with_its_line(self, roster: Roster, district: District) -> None:
        path = district.folder / "Student.xml"
        path.write_text(path.read_text().replace("</InterchangeStudent>", "</Oops>"))

        (error,) = roster.refusal(district.folder, "edfi")

        assert (error.line, error.expected) == (6, "well-formed XML")

    @pytest.mark.parametrize(
        "declaration",
        [
            '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
            '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
            '<!DOCTYPE x SYSTEM "http://example.org/x.dtd">',
        ],
    )
    def test_refuses_document_types_and_entities(self, roster: Roster, district: District, declaration: str) -> None:
        path = district.folder / "Student.xml"
        path.write_text(path.read_text().replace("?>\n", f"?>\n{declaration}\n"))

        errors = roster.refusal(district.folder, "edfi")

        assert {error.file for error in errors} <= {"Student.xml", "edfi"}
        assert roster.rows(students) == []

    def test_refuses_elements_nested_without_end(self, roster: Roster, district: District) -> None:
        district.write("Student", student(more="<X>" * 60 + "</X>" * 60))

        (error,) = roster.refusal(district.folder, "edfi")

        assert error.value == "more than 40 levels"
