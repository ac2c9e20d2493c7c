"""
What a producing process is told on its standard input, one command per line.

    live COUNT            write so many events with eight writers
    paced COUNT RATE      write so many events, so many per second, one writer
    drain COUNT           hand on events that were written before (bare loop alone)

It answers `ready` once connected, and `done` after each command.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import IO

from benchmarks.event import WRITERS


def shares(count: int) -> list[int]:
    """How many of `count` events each writer writes."""
    return [count // WRITERS + (each < count % WRITERS) for each in range(WRITERS)]


def by_threads(count: int, write: Callable[[], object]) -> None:
    """Call `write` so many times from eight threads. Raises what one of them raised."""
    failures: list[BaseException] = []

    def run(share: int) -> None:
        try:
            for _ in range(share):
                write()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(share,)) for share in shares(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


class Times:
    """
    Notes when events were committed, by id, in the file that the environment names; while there is such a file.

    Whether there is one is looked at now and then, so that nothing is spent on it while throughput is measured.
    """

    LOOK_EVERY_S = 0.1

    def __init__(self, name: str) -> None:
        self._path = os.environ.get(f"BENCH_{name.upper()}", "")
        self._file: IO[str] | None = None
        self._look_again_at = 0.0

    @property
    def wanted(self) -> bool:
        now = time.monotonic()
        if self._file is None and now >= self._look_again_at:
            self._look_again_at = now + self.LOOK_EVERY_S
            if os.path.exists(self._path):
                self._file = open(self._path, "a", buffering=1)  # noqa: SIM115 (until the process ends)
        return self._file is not None

    def note(self, event_id: object) -> None:
        if self.wanted and self._file is not None:
            self._file.write(f"{event_id} {time.time()}\n")


def obey(
    live: Callable[[int], object],
    write_one: Callable[[], str],
    *,
    drain: Callable[[int], object] | None = None,
) -> None:
    """
    Carry out commands until the input ends.

    Args:
        live: Writes so many events with eight writers.
        write_one: Writes one event, and returns its id.
    """
    print("ready", flush=True)
    for line in sys.stdin:
        command, *numbers = line.split()
        match command, [int(number) for number in numbers]:
            case "live", [count]:
                live(count)
            case "paced", [count, rate]:
                _pace(count, rate, write_one, Times("committed"))
            case "drain", [count] if drain is not None:
                drain(count)
            case _:
                raise SystemExit(f"unknown command {line!r}")
        print("done", flush=True)


def _pace(count: int, rate: int, write_one: Callable[[], str], committed: Times) -> None:
    pause, begun = threading.Event(), time.monotonic()
    for each in range(count):
        pause.wait(max(0.0, begun + each / rate - time.monotonic()))
        committed.note(write_one())
