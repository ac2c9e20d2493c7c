"""What is wrong with an import: where, the value, and what would be right."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

from shared.problems import Problem

Severity = Literal["error", "warning"]

# One broken column of a large file must not bury everything else.
LISTED_PER_KIND = {"error": 1_000, "warning": 20}
LONGEST_VALUE = 120


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One thing found in an import. An error refuses the import, a warning is reported and survived.

    `line` is the physical line a record begins on (XML: the element), `column` the CSV header or
    the path of the XML element, `expected` what would be right, in words.
    """

    severity: Severity
    file: str
    line: int | None
    column: str
    value: str
    expected: str

    def __str__(self) -> str:
        line = "" if self.line is None else f":{self.line}"
        column = f":{self.column}" if self.column else ""
        return f"{self.file}{line}{column} {self.value!r} -> {self.expected}"

    def document(self) -> dict[str, Any]:
        return {
            "severity": self.severity,
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "value": self.value,
            "expected": self.expected,
        }


class ImportRefused(Problem):
    """The files were refused; nothing was changed."""

    code = "import-refused"
    status = 422

    def __init__(self, findings: "Findings") -> None:
        self.findings = findings
        super().__init__(
            f"{findings.errors} error(s), {findings.warnings} warning(s); correct the errors and import again",
            findings=[finding.document() for finding in findings.listed()],
        )


class Findings:
    """Collects findings; counts all of them and lists the first of each kind."""

    def __init__(self) -> None:
        self._listed: list[Finding] = []
        self._counts: Counter[tuple[Severity, str, str, str]] = Counter()

    def error(self, file: str, line: int | None, column: str, value: object, expected: str) -> None:
        self._add("error", file, line, column, value, expected)

    def warning(self, file: str, line: int | None, column: str, value: object, expected: str) -> None:
        self._add("warning", file, line, column, value, expected)

    def add(self, severity: Severity, file: str, line: int | None, column: str, value: object, expected: str) -> None:
        self._add(severity, file, line, column, value, expected)

    @property
    def errors(self) -> int:
        return self._count("error")

    @property
    def warnings(self) -> int:
        return self._count("warning")

    def listed(self) -> list[Finding]:
        """Errors before warnings, each by file and line; kinds cut short end with how many more there are."""
        more = [
            Finding(severity, file, None, column, f"{count - LISTED_PER_KIND[severity]} more", expected)
            for (severity, file, column, expected), count in self._counts.items()
            if count > LISTED_PER_KIND[severity]
        ]
        last_line = 1 << 62
        return sorted(
            self._listed + more,
            key=lambda f: (f.severity, f.file, last_line if f.line is None and f in more else f.line or 0),
        )

    def refuse_if_wrong(self) -> None:
        """
        Raises:
            ImportRefused: There is at least one error.
        """
        if self.errors:
            raise ImportRefused(self)

    def _count(self, severity: Severity) -> int:
        return sum(count for (kind, *_), count in self._counts.items() if kind == severity)

    def _add(self, severity: Severity, file: str, line: int | None, column: str, value: object, expected: str) -> None:
        kind = (severity, file, column, expected)
        self._counts[kind] += 1
        if self._counts[kind] <= LISTED_PER_KIND[severity]:
            text = str(value)
            shown = text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."
            self._listed.append(Finding(severity, file, line, column, shown, expected))
