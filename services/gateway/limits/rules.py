"""How often one caller may ask: a token bucket per caller, in memory."""

import math
from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

_IPV6_SITE_BITS = 64  # one household or phone holds a whole /64


@dataclass(frozen=True)
class Allowance:
    """`burst` requests at once after a rest, `per_s` in the long run; 0 per second means no limit."""

    name: str
    per_s: float
    burst: int


@dataclass(frozen=True)
class Verdict:
    """Whether a request may pass, how many more may follow at once, and when to come back."""

    allowed: bool
    remaining: int
    retry_after_s: int


class TokenBuckets:
    """
    One bucket per caller; a full bucket is worth as much as none, so old ones are dropped.

    Counts are of this process alone: n gateways allow up to n times as much.
    """

    def __init__(self, allowance: Allowance, *, capacity: int = 50_000) -> None:
        self.allowance = allowance
        self._capacity = capacity
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str, *, now_s: float) -> Verdict:
        """
        Spend one request of a caller.

        Args:
            now_s: A clock that never runs backwards, in seconds.
        """
        per_s, burst = self.allowance.per_s, self.allowance.burst
        if not per_s:
            return Verdict(allowed=True, remaining=burst, retry_after_s=0)
        left, seen_s = self._buckets.get(caller, (float(burst), now_s))
        left = min(burst, left + (now_s - seen_s) * per_s)
        allowed = left >= 1
        if allowed:
            left -= 1
        self._buckets[caller] = (left, now_s)
        self._buckets.move_to_end(caller)
        if len(self._buckets) > self._capacity:
            self._buckets.popitem(last=False)
        retry_after_s = 0 if allowed else max(1, math.ceil((1 - left) / per_s))
        return Verdict(allowed=allowed, remaining=int(left), retry_after_s=retry_after_s)

    def headers(self, verdict: Verdict) -> dict[str, str]:
        """RateLimit fields of draft-ietf-httpapi-ratelimit-headers, and Retry-After on a refusal."""
        name, per_s, burst = self.allowance.name, self.allowance.per_s, self.allowance.burst
        if not per_s:
            return {}
        window_s = max(1, math.ceil(burst / per_s))
        headers = {
            "RateLimit-Policy": f'"{name}";q={burst};w={window_s}',
            "RateLimit": f'"{name}";r={verdict.remaining};t={verdict.retry_after_s}',
        }
        return headers if verdict.allowed else headers | {"Retry-After": str(verdict.retry_after_s)}


def client_address(peer: str | None, forwarded_for: str | None, *, trusted_proxies: int) -> str:
    """
    The network a request without a token is counted against.

    Args:
        forwarded_for: X-Forwarded-For as received; a client can write anything to the left of
            what one's own proxies added, so only the entry before `trusted_proxies` is believed.
    """
    address = peer or "unknown"
    if trusted_proxies and forwarded_for:
        hops = [hop.strip() for hop in forwarded_for.split(",")]
        address = hops[-trusted_proxies] if len(hops) >= trusted_proxies else address
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return f"{IPv6Address(int(parsed) >> (128 - _IPV6_SITE_BITS) << (128 - _IPV6_SITE_BITS))}/{_IPV6_SITE_BITS}"
    return str(parsed)
