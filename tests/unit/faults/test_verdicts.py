"""The table of faults keeps the newest figures of each kind."""

from datetime import date
from pathlib import Path

from tests.support.counting import Counts
from tests.support.verdicts import Verdict, merge, read, table, write

FIRST, SECOND = date(2026, 9, 1), date(2026, 9, 2)


def verdict(done: str, *, on: date = FIRST, lost: int = 0, promise: str = "one change has one effect") -> Verdict:
    return Verdict(promise, done, Counts(10_000, lost, slowest_s=1.5), 2.5, kept=not lost, on=on)


class TestTable:
    def test_says_what_is_broken(self) -> None:
        assert "BROKEN" in table([verdict("kill -9", lost=1)])
        assert "BROKEN" not in table([verdict("kill -9")])

    def test_comes_back_from_its_file(self, tmp_path: Path) -> None:
        rows = [verdict("kill -9 of 5 processes"), verdict("broker killed", lost=2)]

        write(tmp_path / "faults.md", rows)

        assert read(tmp_path / "faults.md") == merge(rows, [])

    def test_keeps_rows_that_were_not_run_again(self, tmp_path: Path) -> None:
        path = tmp_path / "faults.md"
        write(path, [verdict("killed 20 times"), verdict("paused")])

        write(path, [verdict("killed 5 times", on=SECOND)])

        assert {(row.done, row.on) for row in read(path)} == {("killed 5 times", SECOND), ("paused", FIRST)}
