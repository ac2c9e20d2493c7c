"""Sends what is due: claims, hands each to a thread of its own, settles as they end."""

import random
import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue

from opentelemetry.trace import SpanKind

from services.gateway.settings import GatewaySettings
from services.gateway.webhooks import rules
from services.gateway.webhooks.claiming import Claim, claim_due, has_due
from services.gateway.webhooks.settling import Result, settle
from services.gateway.webhooks.signing import SecretUnreadable, Vault, signed_headers
from services.gateway.webhooks.transport import Transport
from shared.clock import Clock
from shared.database.database import Database
from shared.messaging.worker.periodic import Tick
from shared.settings import Settings
from shared.telemetry.logs import get_logger
from shared.telemetry.traces import span

# Longer than a try can take, names and all: what is held past it belongs to a worker that died.
LEASE_S = 60.0
_WAIT_S = 0.25

log = get_logger(__name__)


class Dispatcher:
    """
    One worker's way of sending: many at once, few to the same endpoint, so that a slow one holds up itself alone.

    Threads are green in a worker. Each touches the network only; the database is written by whoever calls `turn`.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        transport: Transport,
        *,
        clock: Clock,
        randomness: random.Random | None = None,
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._vault = Vault.from_settings(settings)
        self._clock = clock
        self._randomness = randomness or random.Random()  # noqa: S311 (jitter, not a secret)
        self._ended: SimpleQueue[Result] = SimpleQueue()
        self._unsettled: list[Result] = []
        self._in_flight = 0

    @classmethod
    def open(cls, settings: GatewaySettings, clock: Clock) -> "Dispatcher":
        transport = Transport(
            ports=settings.webhook_ports, allow_local=settings.webhook_allow_local, timeout_s=settings.webhook_timeout_s
        )
        return cls(settings, transport, clock=clock)

    def turn(self, database: Database) -> int:
        """Settle what has ended, start what is due, wait a moment for the next to end; 0 if there is nothing at all."""
        settled = self._settle(database)
        started = self._start(database)
        if self._in_flight and not started:
            self._await_one(_WAIT_S)
            settled += self._settle(database)
        return settled + started + self._in_flight

    def finish(self, database: Database) -> None:
        """Before the worker stops: wait for what is under way, as it would otherwise be sent again."""
        give_up_at = time.monotonic() + self._settings.webhook_timeout_s + 1
        while self._in_flight and time.monotonic() < give_up_at:
            self._await_one(_WAIT_S)
            self._settle(database)

    def _start(self, database: Database) -> int:
        capacity = self._settings.webhook_concurrency - self._in_flight
        if capacity <= 0:
            return 0
        with database.reading() as session:
            if not has_due(session, self._clock):
                return 0
        with database.transaction() as uow:
            claims = claim_due(
                uow, capacity=capacity, per_endpoint=self._settings.webhook_endpoint_concurrency, lease_s=LEASE_S
            )
        for claim in claims:
            self._in_flight += 1
            threading.Thread(target=self._carry_out, args=(claim,), daemon=True).start()
        return len(claims)

    def _settle(self, database: Database) -> int:
        with suppress(Empty):
            while True:
                self._keep(self._ended.get_nowait())
        if not self._unsettled:
            return 0
        with database.transaction() as uow:
            settle(uow, self._unsettled, randomness=self._randomness)
        settled = len(self._unsettled)
        self._unsettled.clear()  # only now: if the database is away they are settled when it is back
        return settled

    def _await_one(self, timeout_s: float) -> None:
        with suppress(Empty):
            self._keep(self._ended.get(timeout=timeout_s))

    def _keep(self, result: Result) -> None:
        self._unsettled.append(result)
        self._in_flight -= 1

    def _carry_out(self, claim: Claim) -> None:
        started = time.monotonic()
        try:
            with span(
                "send webhook",
                kind=SpanKind.CLIENT,
                parent=claim.traceparent,
                attributes={
                    "signpost.endpoint_id": str(claim.endpoint_id),
                    "messaging.message.id": str(claim.event_id),
                },
            ) as current:
                attempt = self._send(claim)
                current.set_attribute("signpost.outcome", attempt.outcome)
        except Exception as error:
            # Its text may hold what was sent: the class must do.
            log.error("webhook_failed_here", event_id=str(claim.event_id), error=type(error).__name__)
            attempt = rules.Attempt("failed_here", is_ours=True)
        self._ended.put(Result(claim, attempt, round((time.monotonic() - started) * 1000)))

    def _send(self, claim: Claim) -> rules.Attempt:
        if claim.body is None:
            return rules.Attempt("event_forgotten", is_ours=True)
        try:
            secrets = [self._vault.unlock(locked) for locked in claim.locked_secrets]
        except SecretUnreadable:
            log.error("webhook_secret_unreadable", endpoint_id=str(claim.endpoint_id))
            return rules.Attempt("secret_unreadable", is_ours=True)
        headers = signed_headers(claim.event_id, self._clock.now(), claim.body, secrets)
        attempt = self._transport.post(claim.url, headers, claim.body)
        if not attempt.delivered:
            log.info(
                "webhook_not_delivered",
                endpoint_id=str(claim.endpoint_id),
                event_id=str(claim.event_id),
                outcome=attempt.outcome,
            )
        return attempt


class DeliverDue:
    """The worker's tick: keeps one Dispatcher per deployment it is called for."""

    def __init__(self) -> None:
        self._dispatchers: dict[Settings, Dispatcher] = {}

    def __call__(self, tick: Tick) -> int:
        return self._dispatcher(tick).turn(tick.database)

    def finish(self, tick: Tick) -> None:
        self._dispatcher(tick).finish(tick.database)

    def _dispatcher(self, tick: Tick) -> Dispatcher:
        if tick.settings not in self._dispatchers:
            settings = tick.settings.specialized(GatewaySettings)
            self._dispatchers[tick.settings] = Dispatcher.open(settings, tick.clock)
        return self._dispatchers[tick.settings]
