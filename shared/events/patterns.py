"""Patterns of event types, as filters and token scopes write them."""

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from functools import lru_cache

PATTERN = re.compile(r"(?:\*|[a-z_]+)(?:\.(?:\*|[a-z0-9_]+))*")
SCOPE_PREFIX = "events:"
EVERYTHING = "*"

# Court orders and guardians' links: no wildcard reaches them, only a pattern that begins with these words.
NAMED_ONLY = ("roster.guardianship",)


def is_pattern(text: str) -> bool:
    """Segments of a type, or `*` in place of some: one segment, and at the end all that follow."""
    return len(text) <= 120 and PATTERN.fullmatch(text) is not None


def matches(event_type: str, patterns: Iterable[str]) -> bool:
    """Whether a type fits one of the patterns: `plans.plan.*` fits `plans.plan.revised.v1`, `plans.plan` does not."""
    return any(_compiled(pattern).fullmatch(event_type) for pattern in patterns)


def reaches(pattern: str, event_type: str) -> bool:
    """Whether a pattern of what strangers are sent covers a type; one that must be named is reached by name alone."""
    if any(event_type.startswith(f"{named}.") and not pattern.startswith(f"{named}.") for named in NAMED_ONLY):
        return False
    return matches(event_type, (pattern,))


def near(pattern: str, known: Collection[str]) -> list[str]:
    """Up to three known types, or patterns of them, that somebody may have meant."""
    families = {f"{each.rpartition('.v')[0].rpartition('.')[0]}.{EVERYTHING}" for each in known}
    candidates = families if EVERYTHING in pattern else {*families, *known}
    return get_close_matches(pattern, sorted(candidates), n=3, cutoff=0.7)


def fixed_part(pattern: str) -> str:
    """What every type that fits begins with; the whole type where nothing is left open."""
    return pattern.partition(EVERYTHING)[0]


def patterns_in(scopes: Iterable[str]) -> tuple[str, ...]:
    """The patterns a token's scopes grant: `events:plans.plan.*`. What is no pattern grants nothing."""
    granted = (scope.removeprefix(SCOPE_PREFIX) for scope in sorted(scopes) if scope.startswith(SCOPE_PREFIX))
    return tuple(pattern for pattern in granted if is_pattern(pattern))


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    head, dot, last = pattern.rpartition(".")
    inner = re.escape(head).replace(r"\*", r"[^.]+") + re.escape(dot)
    return re.compile(inner + (".+" if last == EVERYTHING else re.escape(last)))
