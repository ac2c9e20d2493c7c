"""
Reading what was written in an older version: pure functions from one payload to the next.

    @upcasts("plans.plan.revised.v1")
    def upcast_v1_v2(payload: Payload) -> Payload:
        \"\"\"v2 tells minutes where v1 told hours.\"\"\"
        return {**payload, "minutes": payload["hours"] * 60}

Written beside the newer contract, and that is all: whoever reacts to the newer version is
bound to the older one too and is handed events of both alike.
"""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from shared.events.contract import PRODUCERS, TYPE_PATTERN

Payload = Mapping[str, Any]
Upcaster = Callable[[Payload], Payload]

_upcasters: dict[str, Upcaster] = {}


class NoWay(Exception):
    """No chain of upcasters leads from the one version to the other."""


def upcasts(event_type: str) -> Callable[[Upcaster], Upcaster]:
    """
    Declare how a payload of `event_type` becomes one of the next version.

    Raises:
        ValueError: The type is none, has an upcaster already, or the function is not
            named after the two versions.
    """
    matched = TYPE_PATTERN.match(event_type)
    if matched is None:
        raise ValueError(f"{event_type!r} is not <service>.<subject>.<action>.v<major>")
    major = int(matched["major"])

    def register(upcaster: Upcaster) -> Upcaster:
        expected = f"upcast_v{major}_v{major + 1}"
        if upcaster.__name__ != expected:
            raise ValueError(f"the upcaster of {event_type} must be called {expected}, not {upcaster.__name__}")
        if event_type in _upcasters:
            raise ValueError(f"{event_type} has two upcasters")
        _upcasters[event_type] = upcaster
        return upcaster

    return register


def upcasters() -> Mapping[str, Upcaster]:
    """Every upcaster of every producer, by the type it reads."""
    for producer in PRODUCERS:
        importlib.import_module(f"shared.events.{producer}")
    return dict(sorted(_upcasters.items()))


def next_version(event_type: str) -> str:
    stem, _, major = event_type.rpartition(".v")
    return f"{stem}.v{int(major) + 1}"


def older_versions(event_type: str) -> tuple[str, ...]:
    """Types that upcasters lead from to this one, newest first."""
    found: list[str] = []
    stem, _, major = event_type.rpartition(".v")
    for older in range(int(major) - 1, 0, -1):
        if f"{stem}.v{older}" not in _upcasters:
            break
        found.append(f"{stem}.v{older}")
    return tuple(found)


def upcast(payload: Payload, *, written_as: str, wanted: str) -> Payload:
    """
    The payload as the wanted version tells it.

    Raises:
        NoWay: The wanted version is not a later one of the same event, or an upcaster is missing.
    """
    if written_as != wanted and written_as not in older_versions(wanted):
        raise NoWay(f"{written_as} cannot be read as {wanted}")
    while written_as != wanted:
        payload = _upcasters[written_as](payload)
        written_as = next_version(written_as)
    return payload
