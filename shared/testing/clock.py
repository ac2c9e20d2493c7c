"""A clock that stands still until told otherwise."""

from datetime import UTC, datetime, timedelta

SCHOOL_MORNING = datetime(2026, 9, 15, 15, 0, tzinfo=UTC)


class FakeClock:
    def __init__(self, now: datetime = SCHOOL_MORNING) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, **duration: float) -> None:
        """Move on by a timedelta's keywords: `advance(hours=2)`."""
        self._now += timedelta(**duration)

    def set(self, now: datetime) -> None:
        self._now = now
