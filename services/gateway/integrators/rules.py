"""What an AMQP integrator is called, and which events it is given. Pure."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from shared.events import patterns
from shared.problems import Conflict, Problem

NAME = re.compile(r"[a-z][a-z0-9-]{1,39}")


class NameRefused(Problem):
    """An integrator cannot be called so."""

    code = "integrator-name-refused"
    status = 422


class NothingMatches(Problem):
    """No event fits this pattern."""

    code = "integrator-pattern-unknown"
    status = 422


class AlreadyThere(Conflict):
    """There is an integrator of this name."""

    code = "integrator-exists"


@dataclass(frozen=True)
class Credentials:
    """What an integrator is told, once."""

    user: str
    password: str
    queue: str
    url: str


def checked_name(name: str) -> str:
    """
    Raises:
        NameRefused: It would not do as part of a queue's name.
    """
    if not NAME.fullmatch(name):
        raise NameRefused(
            f"{name[:80]!r} is no name for an integrator. Write 2 to 40 small letters, digits and hyphens, "
            "such as 'state-reports'."
        )
    return name


def checked_patterns(wanted: Collection[str], *, known: Collection[str]) -> list[str]:
    """
    The patterns, once each.

    Args:
        known: The event types there are.

    Raises:
        NothingMatches: One of them fits no type that it may reach.
    """
    for pattern in wanted:
        if not patterns.is_pattern(pattern) or not types_of([pattern], known=known):
            raise NothingMatches(f"{pattern[:80]!r} fits no event.{_hint(pattern, known)}")
    return list(dict.fromkeys(wanted))


def types_of(wanted: Iterable[str], *, known: Iterable[str]) -> frozenset[str]:
    """The types that patterns reach; guardians' links and court orders by name alone."""
    found = list(wanted)
    return frozenset(each for each in known if any(patterns.reaches(pattern, each) for pattern in found))


def _hint(pattern: str, known: Collection[str]) -> str:
    if near := patterns.near(pattern[:120], known):
        return f" Did you mean {', '.join(near)}?"
    return " Write a type such as 'plans.plan.revised.v1', or '*' for words of it: 'plans.plan.*'."


def user_of(queue: str, virtual_host: str) -> str:
    """The broker's user that reads a queue. Users are the whole broker's, so the virtual host is part of the name."""
    return queue if virtual_host == "/" else f"{queue}@{virtual_host}"


def address(base: str, *, user: str, password: str, virtual_host: str) -> str:
    """
    Where an integrator connects.

    Args:
        base: The broker's address, whose user, password and path are left out.
    """
    parts = urlsplit(base)
    place = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{quote(user, safe='')}:{password}@{place}/{quote(virtual_host, safe='')}"
