"""Work that a worker finds in its database: looked for at intervals."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shared.database.database import Database
from shared.settings import Settings


@dataclass(frozen=True)
class Tick:
    """What a periodic function is given."""

    database: Database
    settings: Settings

    @property
    def clock(self) -> Any:
        return self.database.clock


@dataclass(frozen=True)
class Periodic:
    """
    Work looked for at intervals and, unless it has nothing to do with events, at once after a batch was applied.

    `finish` is called once before the worker stops, after the last `run`.
    """

    interval_s: float
    run: Callable[[Tick], int]
    after_batches: bool = True
    finish: Callable[[Tick], None] | None = None


def every(interval_s: float, run: Callable[[Tick], int], *, finish: Callable[[Tick], None] | None = None) -> Periodic:
    """
    Declare periodic work of a worker.

    Args:
        run: Does a portion of the work and returns how much; called again at once while it
            returns more than 0. Must claim rows in the database, as every replica calls it.
        finish: Waits for what `run` left under way, when the worker stops.
    """
    return Periodic(interval_s, run, finish=finish)
