"""
What Signpost is measured beside: the same small shape on other frameworks, one module each.

    python -m benchmarks.peers.MODULE produce     commands on its input, see benchmarks/commands.py
    python -m benchmarks.peers.MODULE consume     says `ready`, and goes on until SIGTERM

`produce` commits one row in PostgreSQL per event, then publishes the event, persistent, to a durable quorum queue
and waits for its confirm. `consume` commits one row per event, then acknowledges. No peer has an outbox or an inbox:
one that ends between commit and publish has lost an event, and one that ends between commit and acknowledgement
applies an event twice.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    """A framework measured beside the product."""

    name: str
    module: str
    is_bare: bool = False

    def command(self, role: str) -> list[str]:
        return ["-m", f"benchmarks.peers.{self.module}", role]


PEERS = (
    Peer("stock nameko", "on_nameko"),
    Peer("FastStream", "on_faststream"),
    Peer("Celery", "on_celery"),
    Peer("dramatiq", "on_dramatiq"),
    Peer("bare loop", "bare", is_bare=True),
)
