"""What fault tests run on, how hard they treat it, and the table they add up to."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shared.testing.databases import postgres_urls
from tests.flows.conftest import deployment
from tests.support import engines
from tests.support.counting import Counts
from tests.support.pipeline import SERVICES
from tests.support.running_pipeline import Pipeline, pipeline
from tests.support.verdicts import Verdict, table, write

__all__ = ["Faults", "Piping", "deployment", "faults", "piping", "vhost"]

FIGURES = Path(__file__).parents[2] / "benchmarks" / "faults.md"
EXPOSED = "the counting sees a missing guard"
VERDICTS = pytest.StashKey[list[Verdict]]()
Piping = Callable[..., AbstractContextManager[Pipeline]]


@dataclass
class Faults:
    """How hard a test is to be, and where its counts go."""

    full: bool
    verdicts: list[Verdict]
    say: Callable[[str], None] = field(default=lambda _: None)

    def times(self, short: int, full: int) -> int:
        return full if self.full else short

    def within(self, seconds: float) -> float:
        """A promised time; on a machine that runs other tests as well, three times as long."""
        return seconds if self.full else 3 * seconds

    def judge(
        self,
        promise: str,
        done: str,
        counts: Counts,
        *,
        recovery_s: float | None = None,
        recovered_within_s: float | None = None,
        slowest_within_s: float | None = None,
    ) -> None:
        """
        Write a row of the table; then fail if the promise was broken.

        Args:
            recovered_within_s: Longest time from the end of the fault until all was published and applied.
            slowest_within_s: Longest time from the commit of a change to its last effect.
        """
        broken = list(counts.broken)
        for what, taken, most in (
            ("recovery", recovery_s, recovered_within_s),
            ("slowest change", counts.slowest_s, slowest_within_s),
        ):
            if most is not None and taken is not None and taken > self.within(most):
                broken.append(f"{what} {taken:.1f} s, promised {most} s")
        self._write(Verdict(promise, done, counts, recovery_s, not broken, datetime.now(UTC).date()))
        self.say(f"{counts.changes} changes, {', '.join(broken) or 'nothing lost'}")
        assert not broken, f"{promise}: {', '.join(broken)}"

    def expose(self, guard: str, counts: Counts, *, kind: str) -> None:
        """Write a row for a pipeline without a guard; then fail if the counting did not see it."""
        seen = getattr(counts, kind) > 0
        self._write(Verdict(EXPOSED, f"without: {guard}", counts, None, seen, datetime.now(UTC).date()))
        assert seen, f"without the guard {guard!r} nothing was {kind}"

    def _write(self, verdict: Verdict) -> None:
        """To the table at the end and, from a full run, to the file at once: an hour's work may be interrupted."""
        self.verdicts.append(verdict)
        if self.full:
            write(FIGURES, [verdict])


@pytest.fixture
def faults(request: pytest.FixtureRequest) -> Faults:
    """Progress goes to the terminal at full length, where a test takes minutes."""
    full = request.config.getoption("--full")
    collected: list[Verdict] = request.config.stash.setdefault(VERDICTS, [])
    reporter, capturing = (
        request.config.pluginmanager.get_plugin(name) for name in ("terminalreporter", "capturemanager")
    )
    items = request.session.items
    place = f"[{items.index(request.node) + 1} of {len(items)}] {request.node.name}"

    def say(text: str) -> None:
        if full and reporter is not None and capturing is not None:
            with capturing.global_and_fixture_disabled():
                reporter.ensure_newline()
                reporter.write_line(f"{datetime.now(UTC):%H:%M:%S} {place}: {text}")
                reporter.flush()

    say("begins")
    return Faults(full, collected, say)


@pytest.fixture(scope="package")
def vhost(rabbit: engines.Rabbit) -> Iterator[str]:
    """A virtual host shared by the fault tests; each pipeline has an exchange of its own in it."""
    with rabbit.vhost() as url:
        yield url


@pytest.fixture(scope="module")
def piping(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Piping:
    """
    Makes pipelines: `with piping() as running`.

    Takes `server` and `amqp_url` of private engines; by default the tests' own.
    """

    @contextmanager
    def make(
        *, server: str | None = None, amqp_url: str | None = None, extra: dict[str, str] | None = None
    ) -> Iterator[Pipeline]:
        server = server or request.getfixturevalue("postgres_server")
        amqp_url = amqp_url or request.getfixturevalue("vhost")
        home = tmp_path_factory.mktemp("pipeline")
        with (
            postgres_urls(server, list(SERVICES)) as database_url,
            pipeline(home, server=server, amqp_url=amqp_url, database_url=database_url, extra=extra) as running,
        ):
            yield running

    return make


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    verdicts = config.stash.get(VERDICTS, [])
    if verdicts:
        terminalreporter.write_line("")
        terminalreporter.write_line(table(verdicts))
