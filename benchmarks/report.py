"""The findings as a page to read and as JSON to compare."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.event import BYTES, WRITERS
from benchmarks.findings import Findings, machine_lines, spread
from benchmarks.peers import PEERS

OWN, EMBEDDED, BARE_EMBEDDED = "Signpost", "Signpost embedded", "bare SQLite loop"
BARE = next(peer.name for peer in PEERS if peer.is_bare)
OTHERS = [peer.name for peer in PEERS if not peer.is_bare]


def write_results(findings: Findings, size: Any, folder: Path) -> Path:
    """Write engine.md and engine.json; the path of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "engine.md"
    path.write_text(_page(findings, size))
    whole = {"size": asdict(size)} | asdict(findings)
    path.with_suffix(".json").write_text(json.dumps(whole, indent=2) + "\n")
    return path


def _page(found: Findings, size: Any) -> str:
    measured = max((len(figures.get("live/s", ())) for figures in found.values.values()), default=0)
    return "\n".join(
        [
            "# The event engine, measured",
            "",
            f"Written by `make bench`. Medians of {measured} of {size.rounds} rounds, lowest and highest in brackets;",
            f"ratios are of one round. Events of {BYTES} bytes; {size.live:,} live, {size.backlog:,} from a backlog.",
            "[How, and what the figures mean](../README.md).",
            "",
            *machine_lines(found.machine),
            "",
            "## Beside others",
            "",
            f"Live: {WRITERS} writers commit one change at a time; events per second from the first commit to the "
            "last effect's.",
            f"Times from commit to effect at {size.paced_per_s} events/s. Processor time of all client processes, "
            "servers not counted.",
            "",
            *_beside(found),
            "",
            "## Ratios",
            "",
            *_ratios(found),
            "",
            "## Parts, and more workers",
            "",
            *_parts(found),
            "",
            "## Aims",
            "",
            *_aims(found),
            "",
            *_missing(found),
        ]
    )


def _beside(found: Findings) -> list[str]:
    rows = []
    for name in (OWN, EMBEDDED, *OTHERS, BARE):
        one = [name, spread(found.rounds(name, "live/s")), spread(found.rounds(name, "live cpu"), 2)]
        rows.append([*one, spread(found.rounds(name, "p50 ms"), 1), spread(found.rounds(name, "p99 ms"), 1)])
    return _table(["live", "events/s", "CPU s per 1,000 events", "p50 ms", "p99 ms"], rows)


def _ratios(found: Findings) -> list[str]:
    rows = []
    for name in (*OTHERS, BARE):
        live = found.ratios(OWN, "live/s", name)
        backlog = found.ratios(OWN, "drain/s", name, "drain/s" if name == BARE else "live/s")
        rows.append([name, spread(live, 2), spread(backlog, 2), spread(found.ratios(OWN, "live cpu", name), 2)])
    embedded = found.ratios(EMBEDDED, "drain/s", BARE_EMBEDDED)
    rows.append([f"{BARE_EMBEDDED}, by {EMBEDDED}", "-", spread(embedded, 2), "-"])
    return _table(
        ["Signpost over", "live over live", "backlog over live (bare: over backlog)", "CPU per event, live"], rows
    )


def _parts(found: Findings) -> list[str]:
    consuming = [
        figure for figure in found.values.get(OWN, {}) if figure.startswith("consume") and figure.endswith("/s")
    ]
    own = [("outbox to quorum queue, one relay", "relay"), ("outbox to effect, one relay and one worker", "drain")]
    own += [(_workers(figure), figure.removesuffix("/s")) for figure in consuming]
    rows = [_part(found, OWN, what, figure) for what, figure in own]
    rows.append(_part(found, BARE, "table to effect", "drain"))
    rows.append(_part(found, EMBEDDED, "outbox to effect, one process", "drain"))
    rows.append(_part(found, BARE_EMBEDDED, "table to effect", "drain"))
    return _table(["", "a backlog", "events/s", "CPU s per 1,000 events"], rows)


def _workers(figure: str) -> str:
    count = figure.removeprefix("consume, ").removesuffix("/s")
    return f"quorum queue to effect, {count} worker{'' if count == '1' else 's'}"


def _part(found: Findings, name: str, what: str, figure: str) -> list[str]:
    return [name, what, spread(found.rounds(name, f"{figure}/s")), spread(found.rounds(name, f"{figure} cpu"), 2)]


def _aims(found: Findings) -> list[str]:
    fastest = max(OTHERS, key=lambda name: found.median(name, "live/s") or 0)
    aims = [
        ("outbox to quorum queue, events/s", found.rounds(OWN, "relay/s"), 8000, True),
        ("consumed by one worker, events/s", found.rounds(OWN, "consume, 1/s"), 8000, True),
        ("backlog, over stock nameko live", found.ratios(OWN, "drain/s", "stock nameko", "live/s"), 5, True),
        (f"backlog, over {fastest} live", found.ratios(OWN, "drain/s", fastest, "live/s"), 2, True),
        ("backlog, over the bare loop's backlog", found.ratios(OWN, "drain/s", BARE), 0.5, True),
        ("live, over stock nameko live", found.ratios(OWN, "live/s", "stock nameko"), 5, True),
        (f"live, over {fastest} live", found.ratios(OWN, "live/s", fastest), 2, True),
        ("live, over the bare loop live", found.ratios(OWN, "live/s", BARE), 0.5, True),
        ("commit to effect, p50 ms", found.rounds(OWN, "p50 ms"), 8, False),
        ("commit to effect, p99 ms", found.rounds(OWN, "p99 ms"), 25, False),
        ("embedded, commit to effect, p50 ms", found.rounds(EMBEDDED, "p50 ms"), 8, False),
        ("embedded, commit to effect, p99 ms", found.rounds(EMBEDDED, "p99 ms"), 25, False),
    ]
    rows = [[what, _bound(aim, more), spread(values, 1 if aim < 100 else 0), _reached(values, aim, more)]
            for what, values, aim, more in aims]  # fmt: skip
    return _table(["figure", "aim", "measured", "reached"], rows)


def _bound(aim: float, more: bool) -> str:
    return f"{'at least' if more else 'below'} {aim:,g}"


def _reached(values: Sequence[float], aim: float, more: bool) -> str:
    if not values:
        return "not measured"
    middle = statistics.median(values)
    return "yes" if (middle >= aim if more else middle < aim) else "no"


def _missing(found: Findings) -> list[str]:
    if not found.missing:
        return []
    return ["## Not measured", "", *(f"- {what}: {why}" for what, why in found.missing.items()), ""]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]
