"""How an import says how far it is."""

from collections.abc import Callable

# Called with the step, how much of it is done, and how much there is to do, both in the step's own unit.
Progress = Callable[[str, int, int], None]


def silent(step: str, done: int, total: int) -> None:
    """Progress that nobody watches."""
