"""Waiting on a condition, never for luck."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], *, timeout_s: float, what: str, interval_s: float = 0.05) -> T:
    """
    The first true value of `condition`.

    Raises:
        AssertionError: It never came true in time; says what was waited for and the last value.
    """
    pause = threading.Event()
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s} s, last seen {value!r}"
        pause.wait(interval_s)
    return value
