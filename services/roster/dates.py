"""Spans of days, open where a side is None. Last days are inclusive."""

from datetime import date

Span = tuple[date | None, date | None]


def widest(one: Span, other: Span) -> Span:
    """The span that covers both."""
    begins = None if one[0] is None or other[0] is None else min(one[0], other[0])
    ends = None if one[1] is None or other[1] is None else max(one[1], other[1])
    return begins, ends


def overlap(one: Span, other: Span) -> Span:
    """The days in both; where there are none it begins after it ends."""
    begins = max((day for day in (one[0], other[0]) if day is not None), default=None)
    ends = min((day for day in (one[1], other[1]) if day is not None), default=None)
    return begins, ends
