"""
The event engine beside others: events per second, time from commit to effect, processor time per event.

    python -m benchmarks.engine [--quick] [--events COUNT]

Writes benchmarks/results/engine.md and engine.json.
"""

import argparse
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.clients import Client, ClientFailed
from benchmarks.engines import Engine, all_engines
from benchmarks.findings import Findings, facts
from benchmarks.grounds import LONGEST_S, BareGround, Ground, OwnGround, bare_embedded_ground, own_ground, peer_ground
from benchmarks.peers import PEERS, Peer
from benchmarks.pipeline import fill, is_published
from benchmarks.report import write_results
from shared.testing.deployment import wait_until

RESULTS = Path(__file__).parent / "results"
OWN, EMBEDDED, BARE_EMBEDDED = "Signpost", "Signpost embedded", "bare SQLite loop"
LIVE, DRAIN, RELAY, CONSUME = "live", "drain", "relay", "consume"


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rounds: int = 3
    live: int = 10_000
    backlog: int = 20_000
    warming: int = 600
    paced_per_s: int = 50
    paced: int = 300
    workers: tuple[int, ...] = (1, 2, 4)


QUICK = Size(rounds=1, live=200, backlog=500, warming=20, paced=20, workers=(1, 2))


def main(arguments: list[str] | None = None) -> int:
    """Measure and write the results; 0, or 1 if a part could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of few events: shows that it works")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder that the results are written to")
    parser.add_argument(
        "--events", type=int, default=Size.live, help="events written live, twice as many from a backlog"
    )
    given = parser.parse_args(arguments)
    size = QUICK if given.quick else Size(live=given.events, backlog=2 * given.events)
    findings = Findings(facts())
    engines = all_engines()
    findings.missing.update({engine.name: engine.missing for engine in engines if engine.missing})
    for number in range(1, size.rounds + 1):
        for what, measure in _parts([engine for engine in engines if not engine.missing], size):
            print(f"round {number} of {size.rounds}: {what}", flush=True)
            _attempt(what, measure, findings)
        path = write_results(findings, size, given.results)  # after each round: what ends it early costs one
    print(f"\n{path.read_text()}\nAlso in {path} and {path.with_suffix('.json').name}.")
    return 1 if findings.missing else 0


Measure = Callable[[Findings], None]


def _parts(engines: list[Engine], size: Size) -> list[tuple[str, Measure]]:
    """What is measured in each round, in this order: peers between the product's own."""
    parts: list[tuple[str, Measure]] = []
    for engine in engines:
        if engine.rabbit:
            parts.append((OWN, lambda found, on=engine: _measure_own(on, size, found)))
            for peer in PEERS:
                parts.append((peer.name, lambda found, on=engine, peer=peer: _measure_peer(peer, on, size, found)))
        else:
            parts.append((EMBEDDED, lambda found, on=engine: _measure_embedded(on, size, found)))
            parts.append((BARE_EMBEDDED, lambda found: _measure_bare_embedded(size, found)))
    return parts


def _attempt(what: str, measure: Measure, findings: Findings) -> None:
    """One that fails is reported, and does not keep the others from being measured."""
    if what in findings.missing:
        return
    try:
        measure(findings)
    except (ClientFailed, AssertionError, OSError) as error:
        findings.missing[what] = str(error)
        print(f"  NOT MEASURED: {error}", file=sys.stderr, flush=True)


def _measure_own(engine: Engine, size: Size, findings: Findings) -> None:
    with own_ground(engine) as ground, ExitStack() as stack:
        relay = stack.enter_context(ground.client("relay", "-m", "benchmarks.host", "ledger"))
        consumers = [stack.enter_context(ground.client("consumer", "-m", "benchmarks.host", "tally"))]
        writers = stack.enter_context(ground.client("writers", "-m", "benchmarks.writers"))
        writers.expect("ready")
        wait_until(lambda: ground.consumers() == 1, timeout_s=60, what="the consumer")
        _live(OWN, ground, writers, [relay, *consumers], size, findings)
        _paced(OWN, ground, writers, size, findings)
        _drain_own(ground, relay, consumers, size, findings)
        for workers in size.workers:
            while len(consumers) < workers:
                consumers.append(stack.enter_context(ground.client("consumer", "-m", "benchmarks.host", "tally")))
            wait_until(lambda: ground.consumers() == workers, timeout_s=60, what=f"{workers} consumers")  # noqa: B023
            writers.tell(f"live {size.warming * workers}")
            _quiet(ground)
            _relay_then_consume(ground, relay, consumers, size, findings)


def _drain_own(
    ground: OwnGround, relay: Client, consumers: list[Client], size: Size, findings: Findings, *, name: str = OWN
) -> None:
    """A filled outbox, with relay and consumers at work together."""
    before = ground.effects()
    for client in {relay, *consumers}:
        client.hold()
    fill(ground.ledger, size.backlog)
    with findings.timed(name, DRAIN, size.backlog, [relay, *consumers]):
        for client in {relay, *consumers}:
            client.go_on()
        ground.wait_for_effects(before + size.backlog, relay)


def _relay_then_consume(
    ground: OwnGround, relay: Client, consumers: list[Client], size: Size, findings: Findings
) -> None:
    """First the relay alone, to the queue; then the consumers alone, from it."""
    before = ground.effects()
    for client in [relay, *consumers]:
        client.hold()
    fill(ground.ledger, size.backlog)
    with findings.timed(OWN, RELAY, size.backlog, [relay]):
        relay.go_on()
        wait_until(lambda: is_published(ground.ledger), timeout_s=LONGEST_S, what="all published", interval_s=0.02)
    with findings.timed(OWN, f"{CONSUME}, {len(consumers)}", size.backlog, consumers):
        for client in consumers:
            client.go_on()
        ground.wait_for_effects(before + size.backlog, *consumers)


def _measure_embedded(engine: Engine, size: Size, findings: Findings) -> None:
    with own_ground(engine) as ground, ExitStack() as stack:
        worker = stack.enter_context(ground.client("worker", "-m", "benchmarks.host", "ledger", "tally"))
        writers = stack.enter_context(ground.client("writers", "-m", "benchmarks.writers"))
        writers.expect("ready")
        _live(EMBEDDED, ground, writers, [worker], size, findings)
        _paced(EMBEDDED, ground, writers, size, findings)
        _drain_own(ground, worker, [], size, findings, name=EMBEDDED)


def _measure_peer(peer: Peer, engine: Engine, size: Size, findings: Findings) -> None:
    with peer_ground(engine) as ground, ExitStack() as stack:
        consumer = stack.enter_context(ground.client(f"{peer.name} consumer", *peer.command("consume")))
        consumer.expect("ready")  # before something is published: not every peer notices that no queue takes it
        producer = stack.enter_context(ground.client(f"{peer.name} producer", *peer.command("produce")))
        producer.expect("ready")
        _live(peer.name, ground, producer, [consumer], size, findings)
        _paced(peer.name, ground, producer, size, findings)
        if peer.is_bare:
            _drain_bare(peer.name, ground, [producer, consumer], size, findings)


def _measure_bare_embedded(size: Size, findings: Findings) -> None:
    with (
        bare_embedded_ground() as ground,
        ground.client(BARE_EMBEDDED, "-m", "benchmarks.peers.bare_embedded") as loop,
    ):
        loop.expect("ready")
        _drain_bare(BARE_EMBEDDED, ground, [loop], size, findings)


def _drain_bare(name: str, ground: BareGround, clients: list[Client], size: Size, findings: Findings) -> None:
    before = ground.effects()
    ground.fill(size.backlog)
    with findings.timed(name, DRAIN, size.backlog, clients):
        clients[0].begin(f"drain {size.backlog}")
        ground.wait_for_effects(before + size.backlog, *clients)
    clients[0].expect("done")


def _live(name: str, ground: Ground, producer: Client, others: list[Client], size: Size, findings: Findings) -> None:
    """Eight writers, one change at a time, until the last effect."""
    producer.tell(f"live {size.warming}")
    ground.wait_for_effects(size.warming, producer, *others)
    with findings.timed(name, LIVE, size.live, [producer, *others]):
        producer.begin(f"live {size.live}")
        ground.wait_for_effects(size.warming + size.live, producer, *others)
    producer.expect("done")


def _paced(name: str, ground: Ground, producer: Client, size: Size, findings: Findings) -> None:
    """A steady rate far below what would queue: the time from commit to effect."""
    before, warming = ground.effects(), 20
    (ground.home / "effected").touch()
    producer.tell(f"paced {warming} {size.paced_per_s}")
    (ground.home / "committed").touch()
    producer.tell(f"paced {size.paced} {size.paced_per_s}")
    ground.wait_for_effects(before + warming + size.paced, producer)
    wait_until(lambda: ground.all_noted, timeout_s=10, what="the times of all effects")
    taken = ground.latencies_ms()
    (ground.home / "effected").unlink()
    findings.add(name, "p50 ms", taken[len(taken) // 2])
    findings.add(name, "p99 ms", taken[int(len(taken) * 0.99)])


def _quiet(ground: OwnGround) -> None:
    """Until what was written has had its effect: seen twice."""
    seen: list[int] = []

    def settled() -> bool:
        seen.append(ground.effects())
        return is_published(ground.ledger) and len(seen) > 2 and len(set(seen[-3:])) == 1

    wait_until(settled, timeout_s=60, what="the warming", interval_s=0.1)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    started = time.monotonic()
    code = main()
    print(f"Took {time.monotonic() - started:.0f} s.")
    sys.exit(code)
