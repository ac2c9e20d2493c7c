"""kill -9 and SIGTERM of every process of the engine, while clients go on changing things."""

import random
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.faults.conftest import Faults, Piping
from tests.support.pipeline_clients import Clients
from tests.support.running_pipeline import API, Pipeline

RELAYS = ("ledger 1", "ledger 2", "ledger 3")
MIRRORS = ("mirror 1", "mirror 2")
SLOWEST_S = 5.0
DRAINED_S = 30.0
PER_S = 33


@pytest.fixture(scope="module")
def running(piping: Piping) -> Iterator[Pipeline]:
    """One pipeline for all of them, as most of the time goes into starting processes; subjects tell tests apart."""
    with ExitStack() as stack:
        opened = stack.enter_context(piping())
        opened.start(API, *RELAYS, MIRRORS[0])
        yield opened


class TestOrder:
    def test_is_kept_per_student(self, faults: Faults, running: Pipeline) -> None:
        changes, kills = faults.times(300, 10_000), faults.times(1, 10)
        with Clients(running, writers=6, subjects=8, first=1) as clients:
            for number in range(kills):
                clients.wait_answered(changes // (2 * kills))
                faults.say(f"kill {number + 1} of {kills}: the active relay")
                running.kill_and_restart(running.holder("ledger", RELAYS))
            clients.wait_total(changes, timeout_s=600)
        recovery_s = running.wait_settled()

        faults.judge(
            "order per student",
            f"3 relays, 6 writers, the active relay killed {kills} times",
            running.counts(of=clients.subjects),
            recovery_s=recovery_s,
        )


class TestRollingRestarts:
    def test_lose_nothing_and_are_quick(self, faults: Faults, running: Pipeline) -> None:
        rounds = faults.times(2, 20)
        names = [RELAYS[0], MIRRORS[0], API, RELAYS[1], RELAYS[2]]
        stops: list[float] = []
        with Clients(running, first=1000, per_second=PER_S) as clients:
            for number in range(rounds):
                name = names[number % len(names)]
                clients.wait_answered(5)
                faults.say(f"restart {number + 1} of {rounds}: {name}, stops took {max(stops, default=0):.1f} s")
                stops.append(running.stop_and_restart(name))
        recovery_s = running.wait_settled()

        assert max(stops) < DRAINED_S
        faults.judge(
            "rolling restarts",
            f"SIGTERM {rounds} times under load, the longest stop took {max(stops):.1f} s",
            running.counts(of=clients.subjects),
            recovery_s=recovery_s,
            recovered_within_s=DRAINED_S,
        )


class TestKilledProcesses:
    def test_lose_and_double_nothing(self, faults: Faults, running: Pipeline) -> None:
        each, changes = faults.times(1, 20), faults.times(200, 10_000)
        kinds = [API, "active relay", "relay standing by", *MIRRORS] * each
        random.Random(5).shuffle(kinds)
        running.start(MIRRORS[1])  # two consumers share a queue from now on
        with Clients(running, first=2000, per_second=PER_S) as clients:
            for number, kind in enumerate(kinds, start=1):
                clients.wait_answered(5)
                faults.say(f"kill {number} of {len(kinds)}: {kind}, {len(clients.answered)} changes so far")
                running.kill_and_restart(victim(running, kind))
            clients.wait_total(changes, timeout_s=600)
        recovery_s = running.wait_settled()

        faults.judge(
            "one change has one effect",
            f"kill -9 of {len(set(kinds))} kinds of engine process, {each} times each",
            running.counts(alone=False, of=clients.subjects),
            recovery_s=recovery_s,
            slowest_within_s=SLOWEST_S,
        )


def victim(running: Pipeline, kind: str) -> str:
    """The process that is of this kind at present."""
    if kind not in ("active relay", "relay standing by"):
        return kind
    holder = running.holder("ledger", RELAYS)
    return holder if kind == "active relay" else next(name for name in RELAYS if name != holder)
