"""Which events an endpoint is sent, when a delivery is tried again, and when an endpoint is given up on. Pure."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from services.gateway.webhooks.addresses import refusal_of
from shared.events import patterns
from shared.problems import Conflict, Problem

EndpointState = Literal["pending", "active", "paused", "disabled"]
DeliveryState = Literal["queued", "sending", "delivered", "failed"]

# Waits before each try, from the one before. Source: the schedule recommended by Standard Webhooks 1.0, "Retries".
SCHEDULE_S = (0, 5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600)
JITTER = 0.2
LONGEST_RETRY_AFTER_S = 24 * 3600
DISABLED_AFTER = timedelta(days=5)
WARNED_AFTER = timedelta(days=1)
# The streak may be old only because nothing was sent for days: one more failure alone must not end it.
TRIES_BEFORE_DISABLING = 3

DELIVERED, GONE, REFUSED, LOST = "delivered", "gone", "address_refused", "outcome_unknown"
_MAY_HAVE_LEFT = frozenset({LOST, "timeout", "connection_lost", "answer_unreadable"})
TEST_TYPE = "gateway.webhook.tested.v1"
MAX_SECRETS = 3

_SEALED_PREFIX = "sealed_"


class PatternUnknown(Problem):
    """No event fits this pattern."""

    code = "webhook-pattern-unknown"
    status = 422


class UrlRefused(Problem):
    """Webhooks cannot be sent to this address."""

    code = "webhook-url-refused"
    status = 422


class NotYours(Conflict):
    """Somebody else stopped this endpoint, or has not approved it yet."""

    code = "webhook-stopped-by-others"


# Events


def is_sent(event_type: str, *, events: Iterable[str], allowed: Iterable[str]) -> bool:
    """Whether an endpoint is sent an event: wanted by its owner, and allowed by the district."""
    return any(patterns.reaches(pattern, event_type) for pattern in events) and any(
        patterns.reaches(pattern, event_type) for pattern in allowed
    )


def checked_patterns(wanted: Collection[str], *, known: Collection[str]) -> list[str]:
    """
    The patterns, once each.

    Args:
        known: The event types there are.

    Raises:
        PatternUnknown: One of them can match nothing.
    """
    for pattern in wanted:
        if not patterns.is_pattern(pattern) or not any(patterns.reaches(pattern, each) for each in known):
            raise PatternUnknown(
                f"{pattern[:80]!r} fits no event. Write a type such as 'plans.plan.revised.v1', or '*' for words of "
                "it: 'plans.plan.*'. Guardians' links must be named: 'roster.guardianship.*'.",
                pattern=pattern[:80],
            )
    return list(dict.fromkeys(wanted))


# Addresses


def checked_url(url: str, *, allow_local: bool, ports: Collection[int]) -> SplitResult:
    """
    An address webhooks may be sent to, as far as it can be told without asking for names.

    Args:
        allow_local: Permit plain http, any port and this very machine.

    Raises:
        UrlRefused: Says which part is wrong.
    """
    try:
        parsed = urlsplit(url)
        host, port = parsed.hostname, parsed.port
    except ValueError:
        raise UrlRefused("The address cannot be read. Write one such as https://example.org/signpost.") from None
    if not host or not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
        raise UrlRefused("Write the address in ASCII and with a host, such as https://example.org/signpost.")
    if parsed.username is not None or parsed.password is not None or parsed.fragment:
        raise UrlRefused("The address must have no user, password or fragment; receivers check the signature.")
    if parsed.scheme != "https" and not (allow_local and parsed.scheme == "http"):
        raise UrlRefused("The address must begin with https://.")
    if not allow_local and (443 if port is None else port) not in ports:
        raise UrlRefused(f"The port must be one of {', '.join(map(str, sorted(ports)))}.")
    if (":" in host or host.replace(".", "").isdigit()) and (reason := refusal_of(host, allow_loopback=allow_local)):
        raise UrlRefused(f"The address is not on the public internet ({reason.replace('_', ' ')}).")
    return parsed


# Deliveries


@dataclass(frozen=True)
class Attempt:
    """
    What came of one try: `outcome` is "delivered" or a slug that says why not.

    `is_ours`: the failure says nothing about the endpoint.
    """

    outcome: str
    status: int | None = None
    retry_after_s: float | None = None
    address: str | None = None
    is_ours: bool = False

    @property
    def delivered(self) -> bool:
        return self.outcome == DELIVERED

    @property
    def may_have_been_read(self) -> bool:
        """Whether the body left, for all that is known: whoever answers with a refusal has read it too."""
        return self.status is not None or self.outcome in _MAY_HAVE_LEFT


@dataclass(frozen=True)
class Ledger:
    """Where one delivery stands; `attempts` counts this series, which resending begins anew."""

    state: DeliveryState
    attempts: int
    next_attempt_at: datetime | None
    finished_at: datetime | None = None
    reason: str | None = None


def outcome_of(status: int, retry_after: str | None, *, now: datetime) -> Attempt:
    """What an HTTP answer means: 2xx is delivered, everything else is not, redirects included."""
    if 200 <= status < 300:
        return Attempt(DELIVERED, status)
    if status == 410:
        return Attempt(GONE, status)
    wait_s = retry_after_s(retry_after, now=now) if retry_after else None
    return Attempt("redirect" if 300 <= status < 400 else f"status_{status}", status, wait_s)


def retry_after_s(value: str, *, now: datetime) -> float | None:
    """Seconds of a Retry-After header, a number or a date, at most a day; None if it is neither."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(min(int(value[:9]), LONGEST_RETRY_AFTER_S))
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    if at.tzinfo is None:
        return None
    return min(max(0.0, (at - now).total_seconds()), float(LONGEST_RETRY_AFTER_S))


def after(ledger: Ledger, attempt: Attempt, *, now: datetime, jitter: float) -> Ledger:
    """
    Where a delivery stands after a try.

    Args:
        jitter: Random, from 0 to 1: a wait is stretched by up to a fifth, never shortened.
    """
    attempts = ledger.attempts + 1
    if attempt.delivered:
        return Ledger("delivered", attempts, None, now)
    if attempt.outcome == GONE or attempts >= len(SCHEDULE_S):
        return Ledger("failed", attempts, None, now, attempt.outcome)
    wait_s = max(SCHEDULE_S[attempts] * (1 + JITTER * jitter), attempt.retry_after_s or 0.0)
    return Ledger("queued", attempts, now + timedelta(seconds=wait_s), None, attempt.outcome)


# Endpoints


@dataclass(frozen=True)
class Streak:
    """How an endpoint has been doing. `failing_since` is empty after any success."""

    failing_since: datetime | None = None
    failures_in_row: int = 0
    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None
    rest_until: datetime | None = None
    warned: bool = False

    def after(self, attempt: Attempt, *, now: datetime) -> "Streak":
        if attempt.delivered:
            return Streak(last_success_at=now, last_failure_at=self.last_failure_at)
        if attempt.is_ours:
            return self
        rest_until = self.rest_until
        if attempt.retry_after_s and attempt.status in (429, 503):  # it speaks of the receiver, not of this event
            rest_until = now + timedelta(seconds=attempt.retry_after_s)
        return replace(
            self,
            failing_since=self.failing_since or now,
            failures_in_row=self.failures_in_row + 1,
            last_failure_at=now,
            rest_until=rest_until,
        )

    def is_hopeless(self, tries: int, *, now: datetime) -> bool:
        """
        Whether five days of unbroken failure have passed.

        Args:
            tries: Of the delivery that failed just now.
        """
        lasted = self.failing_since is not None and now - self.failing_since >= DISABLED_AFTER
        return lasted and tries >= TRIES_BEFORE_DISABLING

    def is_worrying(self, *, now: datetime) -> bool:
        return not self.warned and self.failing_since is not None and now - self.failing_since >= WARNED_AFTER


def in_flight_limit(failures_in_row: int, most: int) -> int:
    """How many deliveries one endpoint may hold at once; one that fails is only probed, and cannot hold up others."""
    return 1 if failures_in_row >= 3 else most


def may_resume(role: str, stopped_by: str | None) -> bool:
    """Who may start an endpoint again: the administrator always, others what they or the failures stopped."""
    if role == "district_admin":
        return True
    if role == "ops":
        return stopped_by == "ops"
    return stopped_by in ("integrator", "signpost")


# Messages


def message_body(
    *,
    event_id: UUID,
    event_type: str,
    at: datetime,
    source: str,
    subject: str,
    subject_version: int,
    correlation_id: UUID | None,
    causation_id: UUID | None,
    event: Mapping[str, Any],
) -> bytes:
    """The body of a webhook, the same bytes at every try: the event without its sealed parts, and its envelope."""
    document = {
        "type": event_type,
        "timestamp": at.isoformat(),
        "id": str(event_id),
        "source": source,
        "subject": subject,
        "subject_version": subject_version,
        "correlation_id": str(correlation_id) if correlation_id else None,
        "causation_id": str(causation_id) if causation_id else None,
        "data": without_sealed(event),
    }
    present = {name: value for name, value in document.items() if value is not None}
    return json.dumps(present, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def without_sealed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: without_sealed(each) for name, each in value.items() if not name.startswith(_SEALED_PREFIX)}
    if isinstance(value, list):
        return [without_sealed(each) for each in value]
    return value
