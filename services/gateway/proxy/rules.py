"""Where a path goes, and which headers pass. The routing table is declared here and nowhere else."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# A path covers itself and everything beneath it; of two that fit, the one with more segments wins.
# Of equally long ones the first is tried first: plans are what phones read most.
UPSTREAM_PATHS: Mapping[str, tuple[str, ...]] = {
    "plans": ("/v1/students/{student_id}/plan", "/v1/plans"),
    "roster": (
        "/v1/me",
        "/v1/students",
        "/v1/students/{student_id}",
        "/v1/students/{student_id}/guardians",
        "/v1/students/{student_id}/contacts",
        "/v1/roster",
        "/v1/restrictions",
    ),
    "catalog": ("/v1/courses", "/v1/requirement-sets", "/v1/clusters", "/v1/catalog"),
    "mentorship": (
        "/v1/students/{student_id}/matches",
        "/v1/matches",
        "/v1/partners",
        "/v1/relationship-files",
        "/v1/mentorship",
    ),
    "notifications": ("/v1/notices", "/v1/tasks", "/v1/links", "/v1/sms", "/v1/notifications"),
}

# Reached without a token: by people behind a signed link, and by SMS providers with their own signature.
PUBLIC_PATHS = frozenset({"/v1/links", "/v1/sms"})

# What a client may say to a service. Everything else stops here, so nobody can send an internal header.
REQUEST_HEADERS = (
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Access-Reason",
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "User-Agent",
    "X-Twilio-Signature",
)

# RFC 9110 section 7.6.1, with the two that this hop writes itself.
HOP_BY_HOP = frozenset(
    {
        "connection",
        "content-length",
        "date",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "server",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


@dataclass(frozen=True)
class Destination:
    """A path and all beneath it: the service it belongs to, and whether it is reached without a token."""

    service: str
    path: str
    is_public: bool

    @property
    def pattern(self) -> str:
        """The path as aiohttp's router wants it."""
        return f"{self.path}{{rest:(/.*)?}}"


def destinations(
    paths: Mapping[str, tuple[str, ...]] = UPSTREAM_PATHS, public: frozenset[str] = PUBLIC_PATHS
) -> list[Destination]:
    """
    The routing table, in the order in which paths must be tried.

    Raises:
        ValueError: Two services claim one path.
    """
    owners: dict[str, str] = {}
    for service, owned in paths.items():
        for path in owned:
            if path in owners:
                raise ValueError(f"{path} belongs to {owners[path]} already")
            owners[path] = service
    longest_first = sorted(owners, key=lambda path: path.count("/"), reverse=True)
    return [Destination(owners[path], path, path in public) for path in longest_first]


def owner_of(path: str) -> Destination | None:
    """Where a path goes, which may itself be a template such as `/v1/students/{id}`; None if nowhere."""
    segments = path.split("/")
    for destination in destinations():
        wanted = destination.path.split("/")
        if len(segments) >= len(wanted) and all(
            want == have or want.startswith("{") for want, have in zip(wanted, segments, strict=False)
        ):
            return destination
    return None


def is_ambiguous(raw_path: str) -> bool:
    """
    Whether two servers could read a path as two different ones: encoded slashes, dot segments, empty segments.

    Args:
        raw_path: As received, still percent-encoded.
    """
    lowered = raw_path.lower()
    return "%2f" in lowered or "%2e" in lowered or "//" in raw_path or "/." in raw_path


def response_headers(upstream: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """What of a service's answer goes on to the client: all but what belongs to the connection."""
    return [(name, value) for name, value in upstream if name.lower() not in HOP_BY_HOP]
