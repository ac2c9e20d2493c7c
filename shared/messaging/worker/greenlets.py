"""What the loops of a worker wait with: a signal, a stop that ends every wait, and growing pauses."""

import random

import eventlet
from eventlet.event import Event as Done


class Wake:
    """A signal between greenlets: many sets before a wait count as one."""

    def __init__(self) -> None:
        self._done = Done()

    def set(self) -> None:
        if not self._done.ready():
            self._done.send()

    def wait(self, timeout_s: float) -> bool:
        """True if it was set, False if the time passed without."""
        with eventlet.Timeout(timeout_s, False):
            self._done.wait()
        woken = bool(self._done.ready())
        if woken:
            self._done = Done()
        return woken


class Stop:
    """Asked for once. Loops look at it between two steps, and pauses end with it."""

    def __init__(self) -> None:
        self._done = Done()

    def ask(self) -> None:
        if not self._done.ready():
            self._done.send()

    def asked(self) -> bool:
        return bool(self._done.ready())

    def pause(self, seconds: float) -> None:
        """Sleep, but not beyond the stop."""
        with eventlet.Timeout(seconds, False):
            self._done.wait()


class Backoff:
    """
    Pauses between failures: doubling and jittered; short again after a success.

    The longest is short enough for relay and consumer, one after the other, to be at work again
    within ten seconds of what they miss.
    """

    def __init__(self, stop: Stop, *, first_s: float = 0.2, longest_s: float = 3.0) -> None:
        self._stop = stop
        self._first_s = first_s
        self._longest_s = longest_s
        self._next_s = first_s

    def reset(self) -> None:
        self._next_s = self._first_s

    @property
    def next_s(self) -> float:
        return self._next_s

    def pause(self) -> None:
        wait_s, self._next_s = self._next_s, min(self._next_s * 2, self._longest_s)
        self._stop.pause(wait_s * random.uniform(0.75, 1.0))  # noqa: S311 (jitter, not a secret)
