"""What was measured, round by round, and the machine it was measured on."""

import importlib.metadata
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil

from benchmarks.clients import Client

PACKAGES = (
    "nameko", "kombu", "amqp", "eventlet", "SQLAlchemy", "psycopg", "pydantic", "faststream", "aio-pika", "asyncpg",
    "celery", "dramatiq", "pika",
)  # fmt: skip


@dataclass
class Findings:
    """Values by name and figure, one per round; and why something has none."""

    machine: dict[str, Any]
    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, figure: str, value: float) -> None:
        self.values.setdefault(name, {}).setdefault(figure, []).append(value)

    @contextmanager
    def timed(self, name: str, figure: str, events: int, clients: Iterable[Client]) -> Iterator[None]:
        """Take the time of what is done inside: events per second, and processor time of the clients."""
        measured = list(dict.fromkeys(clients))
        used, begun = sum(client.cpu_s() for client in measured), time.perf_counter()
        yield
        seconds, used = time.perf_counter() - begun, sum(client.cpu_s() for client in measured) - used
        self.add(name, f"{figure}/s", events / seconds)
        self.add(name, f"{figure} cpu", used / events * 1000)
        print(
            f"  {figure:<12}{events / seconds:>10,.0f} events/s  {used / events * 1000:.2f} CPU s per 1,000", flush=True
        )

    def rounds(self, name: str, figure: str) -> list[float]:
        return self.values.get(name, {}).get(figure, [])

    def median(self, name: str, figure: str) -> float | None:
        found = self.rounds(name, figure)
        return statistics.median(found) if found else None

    def ratios(self, name: str, figure: str, other: str, other_figure: str | None = None) -> list[float]:
        """One name's value over another's, round by round, as far as both were measured."""
        pairs = zip(self.rounds(name, figure), self.rounds(other, other_figure or figure), strict=False)
        return [mine / theirs for mine, theirs in pairs]


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Median and, in brackets, lowest and highest."""
    if not values:
        return "-"
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:,.{digits}f} ({low:,.{digits}f}-{high:,.{digits}f})"


def facts() -> dict[str, Any]:
    """Cores, memory, versions and load, to be told beside the figures."""
    return {
        "at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "load_at_start": [round(each, 2) for each in os.getloadavg()],
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "RabbitMQ": _answer("rabbitmqctl", "-q", "version"),
        "PostgreSQL": _answer("psql", "--version").removeprefix("psql (PostgreSQL) "),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
    }


def _answer(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "not here"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
