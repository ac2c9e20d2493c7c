"""Token buckets, and whom a request without a token is counted against."""

from services.gateway.limits.rules import Allowance, TokenBuckets, client_address


def buckets(per_s: float = 2, burst: int = 3, capacity: int = 10) -> TokenBuckets:
    return TokenBuckets(Allowance("person", per_s, burst), capacity=capacity)


class TestTokenBuckets:
    def test_allows_a_burst_and_then_refuses(self) -> None:
        limit = buckets()

        verdicts = [limit.take("ana", now_s=0) for _ in range(4)]

        assert [verdict.allowed for verdict in verdicts] == [True, True, True, False]
        assert [verdict.remaining for verdict in verdicts] == [2, 1, 0, 0]
        assert verdicts[-1].retry_after_s == 1

    def test_refills_with_time_up_to_the_burst(self) -> None:
        limit = buckets()
        for _ in range(3):
            limit.take("ana", now_s=0)

        assert limit.take("ana", now_s=0.5).allowed
        assert not limit.take("ana", now_s=0.6).allowed
        assert limit.take("ana", now_s=1000).remaining == 2

    def test_keeps_callers_apart(self) -> None:
        limit = buckets(burst=1)

        assert limit.take("ana", now_s=0).allowed
        assert limit.take("ben", now_s=0).allowed
        assert not limit.take("ana", now_s=0).allowed

    def test_says_how_long_to_wait(self) -> None:
        limit = buckets(per_s=0.1, burst=1)
        limit.take("ana", now_s=0)

        verdict = limit.take("ana", now_s=1)

        assert verdict.retry_after_s == 9
        assert limit.headers(verdict) == {
            "RateLimit-Policy": '"person";q=1;w=10',
            "RateLimit": '"person";r=0;t=9',
            "Retry-After": "9",
        }

    def test_forgets_the_longest_absent_when_there_are_too_many(self) -> None:
        limit = buckets(burst=1, capacity=2)
        for caller in ("ana", "ben", "cem"):
            limit.take(caller, now_s=0)

        assert limit.take("ana", now_s=0).allowed
        assert not limit.take("cem", now_s=0).allowed

    def test_a_rate_of_zero_lifts_the_limit(self) -> None:
        limit = buckets(per_s=0, burst=1)

        assert all(limit.take("ana", now_s=0).allowed for _ in range(5))
        assert limit.headers(limit.take("ana", now_s=0)) == {}


class TestClientAddress:
    def test_believes_nobody_by_default(self) -> None:
        assert client_address("10.0.0.9", "1.2.3.4", trusted_proxies=0) == "10.0.0.9"

    def test_believes_what_its_own_proxies_added(self) -> None:
        assert client_address("10.0.0.9", "6.6.6.6, 1.2.3.4", trusted_proxies=1) == "1.2.3.4"
        assert client_address("10.0.0.9", "6.6.6.6, 1.2.3.4, 10.0.0.8", trusted_proxies=2) == "1.2.3.4"
        assert client_address("10.0.0.9", "1.2.3.4", trusted_proxies=2) == "10.0.0.9"

    def test_counts_an_ipv6_site_as_one(self) -> None:
        first = client_address("2001:db8:1:2:aaaa::1", None, trusted_proxies=0)

        assert first == client_address("2001:db8:1:2:bbbb::2", None, trusted_proxies=0) == "2001:db8:1:2::/64"
        assert first != client_address("2001:db8:1:3::1", None, trusted_proxies=0)

    def test_takes_what_is_no_address_as_it_is(self) -> None:
        assert client_address(None, None, trusted_proxies=0) == "unknown"
