"""What an outcome of sending does to a message. Pure: the instant and the jitter are arguments."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from services.notifications.delivery.ports import Accepted, Away, Deferred, NotHandedOver, Rejected, Unknown

State = Literal["queued", "sending", "accepted", "delivered", "failed", "uncertain", "cancelled", "suppressed"]

# How often a message may be handed over again after nobody could tell (docs/decisions/0006-uncertain-sends.md).
MOST_UNCERTAIN = 3
URGENCIES = {"high": 0, "normal": 1}


class NoAddress(NotHandedOver):
    """The person has no address for this channel."""


class ContactUnknown(NotHandedOver):
    """Roster has not yet told how to reach this person."""


class Untried(NotHandedOver):
    """The turn ended before this message's; it was not touched."""


Outcome = Accepted | NotHandedOver


@dataclass(frozen=True)
class SendingPolicy:
    """How often and how long sending is tried."""

    attempts: int
    backoff_s: float
    backoff_max_s: float
    expiry_s: float

    def delay_s(self, failures: int, jitter: float) -> float:
        """Wait after `failures` failed tries: doubling, half of it jittered; `jitter` is in [0, 1)."""
        ceiling = min(self.backoff_max_s, self.backoff_s * 2.0 ** (max(failures, 1) - 1))
        return ceiling / 2 + jitter * ceiling / 2


@dataclass(frozen=True)
class Ledger:
    """The part of a message's row that an outcome changes."""

    state: State
    attempts: int
    times_uncertain: int
    created_at: datetime
    next_attempt_at: datetime | None = None
    reason: str | None = None
    provider_id: str | None = None
    reported: str | None = None
    accepted_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def is_finished(self) -> bool:
        return self.state in ("delivered", "failed", "cancelled", "suppressed")


def is_expired(created_at: datetime, policy: SendingPolicy, now: datetime) -> bool:
    return now - created_at > timedelta(seconds=policy.expiry_s)


def after(outcome: Outcome, ledger: Ledger, *, policy: SendingPolicy, now: datetime, jitter: float) -> Ledger:
    """
    The ledger after one attempt.

    Args:
        ledger: As it was before the attempt: queued or uncertain.
        jitter: In [0, 1).
    """
    match outcome:
        case Accepted(provider_id):
            return _accepted(ledger, provider_id, now)
        case Rejected():
            return _finished(ledger, "failed", outcome.reason, now)
        case NoAddress():
            return _finished(ledger, "cancelled", outcome.reason, now)
        case Unknown():
            return uncertain(ledger, policy=policy, now=now, jitter=jitter)
        case Away():
            if is_expired(ledger.created_at, policy, now):
                return _finished(ledger, "failed", "provider_away", now)
            return replace(ledger, next_attempt_at=now + timedelta(seconds=policy.backoff_s))
        case Untried():
            return replace(ledger, next_attempt_at=now)
        case Deferred() | ContactUnknown():
            return _tried_in_vain(ledger, outcome, policy=policy, now=now, jitter=jitter)
    raise TypeError(f"{type(outcome).__name__} is no outcome of sending")


def uncertain(ledger: Ledger, *, policy: SendingPolicy, now: datetime, jitter: float) -> Ledger:
    """The ledger once nobody can tell whether an attempt succeeded: asked about, and tried again, a few times."""
    times = ledger.times_uncertain + 1
    if times > MOST_UNCERTAIN:
        return _finished(replace(ledger, times_uncertain=times), "failed", "uncertain", now)
    delay = timedelta(seconds=policy.delay_s(times, jitter))
    return replace(ledger, state="uncertain", times_uncertain=times, next_attempt_at=now + delay)


def _accepted(ledger: Ledger, provider_id: str | None, now: datetime) -> Ledger:
    accepted = replace(ledger, state="accepted", provider_id=provider_id, accepted_at=now, next_attempt_at=None)
    if ledger.reported == "delivered":  # the provider's report overtook its answer
        return replace(accepted, state="delivered", finished_at=now)
    if ledger.reported == "failed":
        return replace(accepted, state="failed", reason="undelivered", finished_at=now)
    return accepted


def _tried_in_vain(
    ledger: Ledger, outcome: NotHandedOver, *, policy: SendingPolicy, now: datetime, jitter: float
) -> Ledger:
    attempts = ledger.attempts + 1
    if attempts >= policy.attempts:
        reason = "no_contact_point" if isinstance(outcome, ContactUnknown) else "attempts_exhausted"
        return _finished(replace(ledger, attempts=attempts), "failed", reason, now)
    return replace(
        ledger,
        attempts=attempts,
        reason=outcome.reason,
        next_attempt_at=now + timedelta(seconds=policy.delay_s(attempts, jitter)),
    )


def _finished(ledger: Ledger, state: State, reason: str, now: datetime) -> Ledger:
    return replace(ledger, state=state, reason=reason, next_attempt_at=None, finished_at=now)


def next_channel(channels: Sequence[str], tried: str) -> str | None:
    """The channel to fall back to once one has failed for good."""
    position = list(channels).index(tried) + 1
    return channels[position] if position < len(channels) else None


def failure_reason(reasons: Sequence[str]) -> str:
    """Why a whole notice failed, from the reasons of its channels in order: the first real failure names it."""
    real = [reason for reason in reasons if reason != "no_address"]
    return real[0] if real else "no_contact_point"
