"""kill -9 and SIGTERM of every process of the engine, while clients go on changing things."""

import random

from tests.faults.conftest import Faults, Piped
from tests.support.running_pipeline import API, Clients, Pipeline

RELAYS = ("ledger 1", "ledger 2", "ledger 3")
MIRRORS = ("mirror 1", "mirror 2")
SLOWEST_S = 5.0
DRAINED_S = 30.0


def victim(running: Pipeline, kind: str) -> str:
    """The process that is of this kind at present."""
    if kind not in ("active relay", "relay standing by"):
        return kind
    holder = running.holder("ledger", RELAYS)
    return holder if kind == "active relay" else next(name for name in RELAYS if name != holder)


class TestKilledProcesses:
    def test_lose_and_double_nothing(self, faults: Faults, piped: Piped) -> None:
        each, changes = faults.times(1, 20), faults.times(400, 10_000)
        kinds = [API, "active relay", "relay standing by", *MIRRORS] * each
        random.Random(5).shuffle(kinds)
        with piped() as running:
            running.start(API, *RELAYS[:2], *MIRRORS)
            with Clients(running, changes=changes, per_second=faults.times(60, 33)) as clients:
                for number, kind in enumerate(kinds, start=1):
                    clients.wait_answered(5)
                    name = victim(running, kind)
                    faults.say(f"kill {number} of {len(kinds)}: {kind}, {len(clients.answered)} changes so far")
                    running.kill_and_restart(name)
                clients.wait_done(timeout_s=900)
            recovery_s = running.wait_settled()

            faults.judge(
                "one change has one effect",
                f"kill -9 of {len(set(kinds))} kinds of engine process, {each} times each",
                running.counts(clients, alone=False),
                recovery_s=recovery_s,
                slowest_within_s=SLOWEST_S,
            )


class TestRollingRestarts:
    def test_lose_nothing_and_are_quick(self, faults: Faults, piped: Piped) -> None:
        rounds = faults.times(2, 20)
        names = [API, *RELAYS[:2], *MIRRORS]
        stops: list[float] = []
        with piped() as running:
            running.start(*names)
            with Clients(running, changes=100_000, per_second=60) as clients:
                for number in range(rounds):
                    name = names[number % len(names)] if faults.full else MIRRORS[0] if number else RELAYS[0]
                    clients.wait_answered(5)
                    faults.say(f"restart {number + 1} of {rounds}: {name}, stops took {max(stops, default=0):.1f} s")
                    stops.append(running.stop_and_restart(name))
            recovery_s = running.wait_settled()

            assert max(stops) < DRAINED_S
            faults.judge(
                "rolling restarts",
                f"SIGTERM {rounds} times under load, the longest stop took {max(stops):.1f} s",
                running.counts(clients, alone=False),
                recovery_s=recovery_s,
                recovered_within_s=DRAINED_S,
            )


class TestOrder:
    def test_is_kept_per_student(self, faults: Faults, piped: Piped) -> None:
        changes, kills = faults.times(300, 10_000), faults.times(1, 10)
        with piped() as running:
            running.start(API, *RELAYS, "mirror")
            with Clients(running, changes=changes, writers=6, subjects=8) as clients:
                for number in range(kills):
                    clients.wait_answered(changes // (2 * kills))
                    faults.say(f"kill {number + 1} of {kills}: the active relay")
                    running.kill_and_restart(running.holder("ledger", RELAYS))
                clients.wait_done(timeout_s=600)
            recovery_s = running.wait_settled()

            faults.judge(
                "order per student",
                f"3 relays, 6 writers, the active relay killed {kills} times",
                running.counts(clients),
                recovery_s=recovery_s,
            )
