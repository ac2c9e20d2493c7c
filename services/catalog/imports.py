"""What is wrong with an imported file: where, which value, and what would be right."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from shared.problems import Problem

SHOWN_VALUE_LENGTH = 80
REPORTED_DEFECTS = 200


@dataclass(frozen=True)
class Defect:
    """
    One reason why a file cannot be imported.

    `where` is "line 12" or "courses[3]"; `expected` says what would be right, as a sentence without its full stop.
    """

    file: str
    where: str
    field: str
    value: str
    expected: str

    def __str__(self) -> str:
        shown = f" {self.value}" if self.value else ""
        return f"{self.file}, {self.where}: {self.field}{shown}: {self.expected}"


def defect(file: str, where: str, field: str, value: object, expected: str) -> Defect:
    """A defect with the value as it reads in the file, cut to a length that fits a line."""
    text = "" if value is None else repr(value)
    shown = text if len(text) <= SHOWN_VALUE_LENGTH else text[:SHOWN_VALUE_LENGTH] + "..."
    return Defect(file, where, field, shown, expected)


class ImportRefused(Problem):
    """Nothing was imported: the file has to be put right first."""

    code = "import-refused"
    status = 422

    def __init__(self, defects: Sequence[Defect]) -> None:
        self.defects = list(dict.fromkeys(defects))
        first = self.defects[0]
        more = f" (and {len(self.defects) - 1} more)" if len(self.defects) > 1 else ""
        super().__init__(f"{first}{more}", defects=[asdict(each) for each in self.defects[:REPORTED_DEFECTS]])


def decoded(content: bytes, *, file: str, limit: int) -> str:
    """
    The text of an imported file.

    Raises:
        ImportRefused: Larger than `limit` bytes, or not UTF-8.
    """
    if len(content) > limit:
        raise ImportRefused([defect(file, "whole file", "size", len(content), f"at most {limit} bytes are read")])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        bad = content[error.start : error.start + 4]
        raise ImportRefused(
            [defect(file, f"line {line}", "encoding", bad, "save the file as UTF-8; this byte is not")]
        ) from None
