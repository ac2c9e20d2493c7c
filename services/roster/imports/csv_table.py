"""CSV files read row by row, with the line each row begins on and a verdict on every header."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import BinaryIO

from services.roster.imports.findings import Findings, Severity

csv.field_size_limit(1_048_576)


@dataclass(frozen=True)
class Columns:
    """
    The headers a file should have.

    Args:
        names: All headers, in order.
        required: Those whose value must not be blank.
        used: Those whose meaning Signpost acts on: a fault there refuses the import, elsewhere it is a warning.
        aliases: Old or foreign names, each with today's name.
        extensions: Prefix of further columns that are allowed after the named ones.
    """

    names: tuple[str, ...]
    required: frozenset[str] = frozenset()
    used: frozenset[str] = frozenset()
    aliases: Mapping[str, str] = field(default_factory=dict)
    extensions: str | None = "metadata."
    optional: frozenset[str] = frozenset()

    def severity(self, column: str) -> Severity:
        return "error" if column in self.used else "warning"


@dataclass(frozen=True, slots=True)
class Row:
    """One record: its cells by today's header, stripped, and the line it begins on."""

    line: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")


class _Counting(io.RawIOBase):
    """Reports how many bytes have been read."""

    def __init__(self, stream: BinaryIO, on_read: Callable[[int], None]) -> None:
        self._stream = stream
        self._on_read = on_read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        chunk = self._stream.read(len(buffer))
        buffer[: len(chunk)] = chunk
        self._on_read(len(chunk))
        return len(chunk)


def read_table(
    file: str,
    stream: BinaryIO,
    columns: Columns,
    findings: Findings,
    *,
    on_read: Callable[[int], None] = lambda _: None,
) -> Iterator[Row]:
    """
    Read a CSV file in UTF-8 (a byte order mark is accepted), RFC 4180 quoting, header row first.

    Rows that cannot be read are reported and left out; the caller refuses the import on any error.
    """
    # Bytes that are not UTF-8 become lone surrogates, so that the row and column can be named.
    text = io.TextIOWrapper(
        io.BufferedReader(_Counting(stream, on_read), 1 << 16), "utf-8-sig", errors="surrogateescape", newline=""
    )
    reader = csv.reader(text, strict=True)
    header = _next_record(file, reader, findings)
    if header is None:
        findings.error(file, 1, "", "", f"a header row: {','.join(columns.names)}")
        return
    names = _headers(file, header, columns, findings)
    missing_required = columns.required - set(names)
    while True:
        line = reader.line_num + 1
        record = _next_record(file, reader, findings)
        if record is None:
            break
        if not any(cell.strip() for cell in record):
            continue
        for column in sorted(missing_required & columns.used):
            findings.error(file, 1, column, ",".join(header), f"a column named {column}")
        missing_required = frozenset()
        row = _row(file, line, record, names, columns, findings)
        if row is not None:
            yield row


def _next_record(file: str, reader: "csv._reader", findings: Findings) -> list[str] | None:  # type: ignore[name-defined]
    line = reader.line_num + 1
    try:
        return next(reader, None)
    except csv.Error as error:
        findings.error(file, line, "", str(error), "RFC 4180: quotes around a cell are closed and doubled inside it")
        return None


def _row(
    file: str, line: int, record: Sequence[str], names: Sequence[str], columns: Columns, findings: Findings
) -> Row | None:
    if len(record) > len(names) and any(cell.strip() for cell in record[len(names) :]):
        findings.error(file, line, "", f"{len(record)} cells", f"{len(names)} cells, as many as headers")
        return None
    if len(record) < len(names):
        findings.warning(file, line, "", f"{len(record)} cells", "as many cells as headers; the missing are blank")
    cells = {name: cell.strip() for name, cell in zip(names, record, strict=False) if name}
    is_readable = True
    for name, cell in cells.items():
        if not cell.isascii() and any("\udc80" <= letter <= "\udcff" for letter in cell):
            shown = cell.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            findings.error(file, line, name, shown, "text in UTF-8")
            is_readable = False
    for name in columns.required:
        if not cells.get(name) and name in cells:
            severity = columns.severity(name)
            findings.add(severity, file, line, name, "", f"a value: {name} is required")
            is_readable = is_readable and severity == "warning"
    return Row(line, cells) if is_readable else None


def _headers(file: str, header: Sequence[str], columns: Columns, findings: Findings) -> list[str]:
    """Today's name of each column in the file's order; "" for one that is not read."""
    names = [_canonical(file, found.strip(), header, columns, findings) for found in header]
    for name in {name for name in names if name and names.count(name) > 1}:
        findings.error(file, 1, name, ",".join(header), "each header once")
    for name in columns.names:
        # Used columns that are required are reported with the first row that would need them.
        if name not in names and name not in columns.optional and name not in columns.required & columns.used:
            findings.warning(file, 1, name, ",".join(header), f"a column named {name}, even when it is empty")
    known = [name for name in names if name in columns.names]
    if known != [name for name in columns.names if name in known]:
        findings.warning(file, 1, "", ",".join(header), f"the columns in this order: {','.join(columns.names)}")
    return names


def _canonical(file: str, found: str, header: Sequence[str], columns: Columns, findings: Findings) -> str:
    if found in columns.names:
        return found
    if columns.extensions and found.startswith(columns.extensions):
        return found
    if not found:
        findings.warning(file, 1, "", ",".join(header), "a name for every header; the blank ones are left out")
        return ""
    absent = {name.lower(): name for name in columns.names if name not in header}
    near = get_close_matches(found.lower(), absent, n=1, cutoff=0.85)
    meant = columns.aliases.get(found) or (absent[near[0]] if near else None)
    if meant in absent.values():
        findings.warning(file, 1, found, found, f"{meant}; read as that")
        return str(meant)
    expected = f"a header {file} has"
    if columns.extensions:
        expected += f", or a name beginning with {columns.extensions}"
    findings.warning(file, 1, found, found, f"{expected}; the column is left out")
    return ""
