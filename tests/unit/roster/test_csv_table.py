"""CSV as real systems write it: what is read, and what is said about it."""

import csv
import io
import string

from hypothesis import given
from hypothesis import strategies as st

from services.roster.imports.csv_table import Columns, Row, read_table
from services.roster.imports.findings import Finding, Findings

COLUMNS = Columns(
    ("sourcedId", "givenName", "email"),
    required=frozenset({"sourcedId", "email"}),
    used=frozenset({"sourcedId", "givenName"}),
    aliases={"mail": "email"},
)
TEXT = st.text(string.ascii_letters + string.digits + ' ,"\n\r;é', max_size=12)


def read(content: bytes) -> tuple[list[Row], list[Finding]]:
    findings = Findings()
    rows = list(read_table("users.csv", io.BytesIO(content), COLUMNS, findings))
    return rows, findings.listed()


class TestReadTable:
    def test_reads_rows_with_the_line_each_begins_on(self) -> None:
        rows, findings = read(b'sourcedId,givenName,email\r\n1,"two\nlines",a@b.org\r\n2,x,c@d.org\r\n')

        assert [(row.line, row["sourcedId"]) for row in rows] == [(2, "1"), (4, "2")]
        assert findings == []

    def test_accepts_a_byte_order_mark(self) -> None:
        rows, findings = read(b"\xef\xbb\xbfsourcedId,givenName,email\n1,x,a@b.org\n")

        assert rows[0]["sourcedId"] == "1"
        assert findings == []

    def test_names_the_cell_that_is_not_utf_8(self) -> None:
        rows, (finding,) = read(b"sourcedId,givenName,email\n1,x,a@b.org\n2,Jos\xe9,a@b.org\n")

        assert [row["sourcedId"] for row in rows] == ["1"]
        assert (finding.severity, finding.line, finding.column) == ("error", 3, "givenName")
        assert finding.expected == "text in UTF-8"

    def test_reads_columns_in_another_order(self) -> None:
        rows, (finding,) = read(b"email,sourcedId,givenName\na@b.org,1,x\n")

        assert rows[0]["sourcedId"] == "1"
        assert finding.expected.startswith("the columns in this order")

    def test_reads_a_misspelled_header_as_what_it_means(self) -> None:
        rows, findings = read(b"sourcedID,givnName,email\n1,x,a@b.org\n")

        assert rows[0]["givenName"] == "x"
        assert [finding.expected for finding in findings] == ["sourcedId; read as that", "givenName; read as that"]

    def test_reads_an_old_header_by_its_new_name(self) -> None:
        rows, (finding,) = read(b"sourcedId,givenName,mail\n1,x,a@b.org\n")

        assert rows[0]["email"] == "a@b.org"
        assert (finding.severity, finding.expected) == ("warning", "email; read as that")

    def test_keeps_metadata_and_leaves_out_other_columns(self) -> None:
        rows, (finding,) = read(b"sourcedId,givenName,email,metadata.a,ext_b\n1,x,a@b.org,kept,lost\n")

        assert rows[0]["metadata.a"] == "kept"
        assert (finding.severity, finding.column) == ("warning", "ext_b")

    def test_leaves_out_trailing_blank_headers(self) -> None:
        rows, findings = read(b"sourcedId,givenName,email,,\n1,x,a@b.org\n")

        assert len(rows) == 1
        assert {finding.severity for finding in findings} == {"warning"}

    def test_refuses_a_row_with_more_cells_than_headers(self) -> None:
        rows, (finding,) = read(b"sourcedId,givenName,email\n1,x,a@b.org,shifted\n")

        assert rows == []
        assert (finding.severity, finding.value, finding.line) == ("error", "4 cells", 2)

    def test_refuses_a_blank_in_a_required_column_it_uses(self) -> None:
        rows, (finding,) = read(b"sourcedId,givenName,email\n,x,a@b.org\n")

        assert rows == []
        assert (finding.severity, finding.column) == ("error", "sourcedId")

    def test_warns_of_a_blank_in_a_required_column_it_does_not_use(self) -> None:
        rows, (finding,) = read(b"sourcedId,givenName,email\n1,x,\n")

        assert len(rows) == 1
        assert (finding.severity, finding.column) == ("warning", "email")

    def test_refuses_a_missing_column_once_there_are_rows(self) -> None:
        without_rows = read(b"givenName,email\n")[1]
        with_rows = read(b"givenName,email\nx,a@b.org\ny,c@d.org\n")[1]

        assert [finding.severity for finding in without_rows] == []
        assert [(finding.severity, finding.column) for finding in with_rows] == [("error", "sourcedId")]

    def test_reports_an_open_quote_and_stops(self) -> None:
        rows, findings = read(b'sourcedId,givenName,email\n1,x,a@b.org\n2,"open,a@b.org\n')

        assert len(rows) == 1
        assert (findings[0].severity, findings[0].line) == ("error", 3)

    def test_refuses_an_empty_file(self) -> None:
        _, (finding,) = read(b"")

        assert finding.expected == "a header row: sourcedId,givenName,email"

    def test_refuses_the_same_header_twice(self) -> None:
        _, findings = read(b"sourcedId,givenName,email,email\n")

        assert [finding.expected for finding in findings if finding.severity == "error"] == ["each header once"]

    @given(st.lists(st.tuples(st.from_regex(r"[a-z]{1,8}", fullmatch=True), TEXT), max_size=20))
    def test_reads_whatever_a_csv_writer_wrote(self, written: list[tuple[str, str]]) -> None:
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(COLUMNS.names)
        writer.writerows((key, name, "a@b.org") for key, name in written)

        rows, findings = read(text.getvalue().encode())

        assert [(row["sourcedId"], row["givenName"]) for row in rows] == [(key, name.strip()) for key, name in written]
        assert findings == []
