"""Sends what is due: claim, render, hand over, settle."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from opentelemetry.trace import SpanKind

from services.notifications.delivery.ports import Accepted, Away, CannotTell, Deferred, NotHandedOver, Providers
from services.notifications.delivery.smtp import SmtpSender
from services.notifications.delivery.twilio import TwilioSmsSender
from services.notifications.notices.claiming import claim_due, has_due
from services.notifications.notices.composing import Composer
from services.notifications.notices.rules import NoAddress, Outcome, SendingPolicy, Untried
from services.notifications.notices.settling import Claim, Result, settle
from services.notifications.settings import NotificationsSettings
from services.notifications.ticking import Ticking
from shared.clock import Clock
from shared.database.database import Database
from shared.settings import Settings
from shared.telemetry.logs import get_logger
from shared.telemetry.traces import current_traceparent, span

CHANNELS = ("email", "sms")
MAX_REST_S = 30.0

log = get_logger(__name__)


def providers_of(settings: NotificationsSettings) -> Providers:
    return Providers(
        email=SmtpSender(
            settings.smtp_address, timeout_s=settings.send_timeout_s, lookup_url=settings.mail_lookup_address
        ),
        sms=TwilioSmsSender(
            settings.sms_address,
            account=settings.sms_account,
            token=settings.sms_secret,
            sender=settings.sms_from,
            timeout_s=settings.send_timeout_s,
        ),
    )


@dataclass
class _Rest:
    """A provider found away is left alone for a while, longer each time."""

    failures: int = 0
    until: datetime | None = None


@dataclass
class Outbound:
    """
    One worker's way of sending: providers kept open, and which of them are away.

    `send_due` does one portion; a message is handed over at most once per claim, outside any
    transaction. Between the two transactions a kill -9 leaves messages whose lease runs out.
    """

    settings: NotificationsSettings
    providers: Providers
    composer: Composer
    clock: Clock
    randomness: random.Random = field(default_factory=random.Random)
    monotonic: Callable[[], float] = time.monotonic
    _rests: dict[str, _Rest] = field(default_factory=lambda: {channel: _Rest() for channel in CHANNELS})

    @classmethod
    def open(cls, settings: NotificationsSettings, clock: Clock, providers: Providers | None = None) -> "Outbound":
        return cls(settings, providers or providers_of(settings), Composer.of(settings), clock)

    @property
    def policy(self) -> SendingPolicy:
        return SendingPolicy(
            attempts=self.settings.send_attempts,
            backoff_s=self.settings.send_backoff_s,
            backoff_max_s=self.settings.send_backoff_max_s,
            expiry_s=self.settings.send_expiry_h * 3600,
        )

    def send_due(self, database: Database) -> int:
        """Send one portion; how many messages were dealt with."""
        channels = self._reachable()
        with database.reading() as session:
            if not has_due(session, self.clock, channels):
                return 0
        claimed_at = self.monotonic()
        with database.transaction() as uow:
            claims, seen = claim_due(
                uow,
                limit=self.settings.send_batch,
                lease_s=self.settings.send_lease_s,
                channels=channels,
                policy=self.policy,
                today=self.clock.now().astimezone(ZoneInfo(self.settings.time_zone)),
                randomness=self.randomness,
            )
        # What cannot begin well within the lease is given back: by then it must be decided on again.
        begin_before = claimed_at + max(0.0, self.settings.send_lease_s - 2 * self.settings.send_timeout_s)
        results = [self._send(claim, begin_before) for claim in claims]
        if results:
            with database.transaction() as uow:
                settle(uow, results, policy=self.policy, randomness=self.randomness)
        return seen

    def _send(self, claim: Claim, begin_before: float) -> Result:
        if claim.channel not in self._reachable() or self.monotonic() > begin_before:
            return Result(claim, Untried("turn_ended"))
        with span(
            f"send {claim.channel}",
            kind=SpanKind.CLIENT,
            parent=claim.envelope.traceparent,
            attributes={
                "signpost.notice_id": str(claim.notice_id),
                "signpost.correlation_id": str(claim.envelope.correlation_id),
            },
        ) as current:
            outcome = self._outcome(claim)
            current.set_attribute("signpost.outcome", type(outcome).__name__.lower())
            return Result(claim, outcome, current_traceparent())

    def _outcome(self, claim: Claim) -> Outcome:
        try:
            accepted = self._hand_over(claim)
        except Away as away:
            self._let_rest(claim.channel, away)
            return away
        except NoAddress as refusal:  # the next channel's turn: how many families are reached
            return refusal
        except NotHandedOver as refusal:
            log.info(
                "message_not_sent",
                message_id=str(claim.message_id),
                channel=claim.channel,
                outcome=type(refusal).__name__,
                reason=refusal.reason,
            )
            return refusal
        except Exception as error:
            # Its text may hold what could not be rendered: the class must do.
            log.error("message_failed", message_id=str(claim.message_id), error=type(error).__name__)
            return Deferred("failed_here")
        self._rests[claim.channel] = _Rest()
        return accepted

    def _hand_over(self, claim: Claim) -> Accepted:
        find: Callable[[], Accepted | None]
        send: Callable[[], Accepted]
        if claim.channel == "email":
            email = self.composer.email(claim)
            find, send = partial(self.providers.email.find, email), partial(self.providers.email.send, email)
        else:
            sms, since = self.composer.sms(claim), claim.ledger.created_at
            find, send = partial(self.providers.sms.find, sms, since=since), partial(self.providers.sms.send, sms)
        return (self._found(claim, find) if claim.is_uncertain else None) or send()

    @staticmethod
    def _found(claim: Claim, find: Callable[[], Accepted | None]) -> Accepted | None:
        """Ask the provider about an earlier attempt; who cannot be asked is handed the message again."""
        try:
            found = find()
        except CannotTell:
            found = None
        log.info("uncertain_message_asked", message_id=str(claim.message_id), was_taken=found is not None)
        return found

    def _reachable(self) -> list[str]:
        now = self.clock.now()
        return [channel for channel, rest in self._rests.items() if rest.until is None or rest.until <= now]

    def _let_rest(self, channel: str, away: Away) -> None:
        failures = self._rests[channel].failures + 1
        wait_s = min(MAX_REST_S, self.settings.send_backoff_s * 2.0 ** (failures - 1))
        self._rests[channel] = _Rest(failures, self.clock.now() + timedelta(seconds=wait_s))
        log.warning(
            "provider_away",
            channel=channel,
            setting="SIGNPOST_SMTP_URL" if channel == "email" else "SIGNPOST_SMS_URL",
            reason=away.reason,
            retry_in_s=wait_s,
        )


class SendDue:
    """The worker's tick: keeps one Outbound per deployment it is called for."""

    def __init__(self) -> None:
        self._outbound: dict[Settings, Outbound] = {}

    def __call__(self, tick: Ticking) -> int:
        if tick.settings not in self._outbound:
            self._outbound[tick.settings] = Outbound.open(NotificationsSettings.of(tick.settings), tick.clock)
        return self._outbound[tick.settings].send_due(tick.database)
