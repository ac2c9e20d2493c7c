"""Which cell of access_table.md decides about which route, and what a cell allows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TABLES = Path(__file__).with_suffix(".md")


# Cells that promise more than there is yet; until it is built the answer is a dash.
NOT_BUILT = frozenset(
    {
        ("plan", "partner"),
        ("plan", "integrator"),
        ("notices", "teacher"),
        ("notices", "partner"),
        ("notices", "district admin"),
        ("notices", "ops"),
        ("tasks", "district admin"),
        ("tasks", "ops"),
        ("relationship file", "partner"),
        ("dead letters, replay", "integrator"),
    }
)

# Words of the tables that are no letters: S is to send, O one's own, P to pause and to see why.
_WORDS = {"send": "S", "own": "O", "ids": "RW", "pause": "P", "never": "", "-": ""}

# What a court order that leaves something takes from a guardian, and what anybody is to a stranger.
_ONLY_READS = {"notices": "-", "plan": "R own"}
_ONLY_TOLD = {"notices": "R own"}
STRANGER, READS, TOLD = "stranger", "guardian who may only read", "guardian who is only told"


def _parsed(text: str) -> dict[tuple[str, str], str]:
    """Cells by resource and column, of every table in a page."""
    cells, columns = {}, [""]
    for line in text.splitlines():
        if not line.startswith("|"):
            continue
        resource, *values = [cell.strip() for cell in line.strip("| ").split("|")]
        if resource == "resource":
            columns = values
        elif not resource.startswith("---"):
            cells |= {(resource, column): cell for column, cell in zip(columns, values, strict=True)}
    return cells


CELLS = _parsed(TABLES.read_text(encoding="utf-8"))


def cell(resource: str, column: str) -> str:
    if column == STRANGER or (resource, column) in NOT_BUILT:
        return "-"
    if column == READS:
        return _ONLY_READS.get(resource) or CELLS[resource, "guardian"]
    if column == TOLD:
        return _ONLY_TOLD.get(resource, "-")
    return CELLS[resource, column]


def letters(resource: str, column: str) -> frozenset[str]:
    """What a cell allows."""
    word = cell(resource, column).split()[0].rstrip(",")
    return frozenset(_WORDS.get(word, word))


def needs_reason(resource: str, column: str) -> bool:
    return cell(resource, column).endswith("with reason")


def needs_scope(resource: str, column: str) -> bool:
    return cell(resource, column) == "R scope"


@dataclass(frozen=True)
class Rule:
    """
    Which cell decides about a route: any one of the letters in `needs` opens it.

    `about`: student (the path or the thing in it concerns one), notice (likewise, and is addressed to somebody),
    file (a partner's; families see their own mentor's), webhook (its owner's), self (the caller), nothing (no person).
    """

    resource: str
    needs: str
    about: str = "student"
    opened: int = 200  # status once the door is open


_PLAN = "/v1/students/{student_id}/plan"
_DEAD_LETTERS = {
    f"{method} /v1/{service}/dead-letters{rest}": Rule("dead letters, replay", needs, "nothing")
    for service in ("roster", "catalog", "plans", "mentorship", "notifications", "gateway")
    for method, rest, needs in (
        ("GET", "", "R"),
        ("GET", "/classes", "R"),
        ("GET", "/{event_id}", "R"),
        ("POST", "/replay", "W"),
        ("POST", "/discard", "W"),
    )
}

_REPLAYS = {
    f"{method} /v1/{service}/replays{rest}": Rule("dead letters, replay", needs, "nothing", opened)
    for service in ("roster", "catalog", "plans", "mentorship", "notifications")
    for method, rest, needs, opened in (
        ("GET", "", "R", 200),
        ("GET", "/{replay_id}", "R", 404),
        ("POST", "", "W", 422),
        ("POST", "/{replay_id}/stop", "W", 404),
    )
}

_WEBHOOK = "/v1/webhooks/{endpoint_id}"
_WEBHOOKS = {
    f"{method} {_WEBHOOK}{rest}": Rule(resource, needs, "webhook", opened)
    for method, rest, resource, needs, opened in (
        ("GET", "", "webhooks, keys", "RP", 200),
        ("PATCH", "", "webhooks, keys", "W", 200),
        ("DELETE", "", "webhooks, keys", "W", 204),
        ("POST", "/approve", "webhook approval", "W", 409),
        ("POST", "/pause", "webhooks, keys", "WP", 200),
        ("POST", "/resume", "webhooks, keys", "WP", 409),
        ("GET", "/secret", "webhooks, keys", "R", 200),
        ("POST", "/secret/rotate", "webhooks, keys", "W", 200),
        ("POST", "/test", "webhooks, keys", "W", 202),
        ("GET", "/deliveries", "webhooks, keys", "RP", 200),
        ("GET", "/deliveries/{event_id}", "webhooks, keys", "RP", 200),
        ("POST", "/deliveries/{event_id}/resend", "webhooks, keys", "WP", 202),
        ("POST", "/resend", "webhooks, keys", "WP", 202),
        ("GET", "/health", "webhooks, keys", "RP", 200),
        ("GET", "/changes", "webhooks, keys", "RP", 200),
    )
}

# What a rule can be about that is no student's.
THINGS = ("nothing", "self", "own contact", "webhook")

# Every declared route. One that is missing here fails the build.
ROUTES: Mapping[str, Rule] = {
    "GET /v1/students": Rule("student record", "R", "self"),
    "GET /v1/me": Rule("student record", "R", "self"),
    "GET /v1/home": Rule("student record", "R", "self"),
    "GET /v1/notices": Rule("notices", "RS", "self"),
    "GET /v1/tasks": Rule("tasks", "RO", "self"),
    "GET /v1/students/{student_id}": Rule("student record", "R"),
    "GET /v1/students/{student_id}/staff": Rule("student record", "R"),
    "GET /v1/students/{student_id}/contacts": Rule("contacts of a student", "R"),
    "PUT /v1/students/{student_id}/contacts": Rule("contacts of a student", "W"),
    "GET /v1/students/{student_id}/guardians": Rule("guardians of a student", "R"),
    "POST /v1/students/{student_id}/guardians/{guardian_id}/restriction": Rule("court orders", "W", opened=201),
    "GET /v1/restrictions": Rule("court orders", "R", "nothing"),
    "GET /v1/restrictions/{order_id}": Rule("court orders", "R", "nothing"),
    "POST /v1/restrictions/{order_id}/confirm": Rule("court orders", "W", "nothing"),
    "POST /v1/restrictions/{order_id}/lift": Rule("court orders", "W", "nothing"),
    "GET /v1/me/contact": Rule("own contact", "R", "own contact"),
    "PUT /v1/me/contact": Rule("own contact", "W", "own contact"),
    "GET /v1/roster/people": Rule("roles, links", "R", "nothing"),
    "GET /v1/roster/imports": Rule("roles, links", "R", "nothing"),
    "POST /v1/roster/imports/{import_id}/confirm": Rule("roles, links", "W", "nothing", opened=409),
    "POST /v1/roster/imports/{import_id}/reject": Rule("roles, links", "W", "nothing", opened=409),
    "GET /v1/courses": Rule("catalog", "R", "nothing"),
    "GET /v1/courses/{code}": Rule("catalog", "R", "nothing"),
    "PUT /v1/courses/{code}": Rule("catalog", "W", "nothing"),
    "POST /v1/courses/{code}/retire": Rule("catalog", "W", "nothing"),
    "GET /v1/clusters": Rule("catalog", "R", "nothing"),
    "GET /v1/requirement-sets": Rule("catalog", "R", "nothing"),
    "GET /v1/requirement-sets/{key}": Rule("catalog", "R", "nothing"),
    "GET /v1/requirement-sets/{rule_set}/{track}": Rule("catalog", "R", "nothing"),
    "GET /v1/catalog/conflicts": Rule("catalog conflicts", "R", "nothing"),
    f"GET {_PLAN}": Rule("plan", "R"),
    f"GET {_PLAN}/audit": Rule("plan", "R"),
    f"GET {_PLAN}/versions": Rule("plan", "R"),
    f"GET {_PLAN}/versions/{{version}}": Rule("plan", "R"),
    f"POST {_PLAN}/changes": Rule("plan", "W"),
    f"PUT {_PLAN}/goal": Rule("plan", "W"),
    f"PUT {_PLAN}/interests": Rule("plan", "W"),
    f"POST {_PLAN}/submit": Rule("handing a plan in", "W", opened=409),
    f"POST {_PLAN}/approve": Rule("approving a plan", "W"),
    f"PUT {_PLAN}/requirement-set": Rule("approving a plan", "W"),
    "GET /v1/students/{student_id}/matches": Rule("matches", "R"),
    "POST /v1/matches/{match_id}/approve": Rule("matches", "W"),
    "POST /v1/matches/{match_id}/decline": Rule("matches", "W"),
    "GET /v1/partners": Rule("partners", "R", "nothing"),
    "GET /v1/partners/{partner_id}": Rule("partners", "R", "nothing"),
    "GET /v1/relationship-files/{relationship_file_id}": Rule("relationship file", "R", "file"),
    "POST /v1/relationship-files/{relationship_file_id}/entries": Rule("relationship file", "W", opened=201),
    "GET /v1/notices/{notice_id}": Rule("notices", "RS", "notice"),
    "POST /v1/tasks/{task_id}/done": Rule("tasks", "W"),
    "GET /v1/journeys/{correlation_id}": Rule("journeys", "R"),
    "GET /v1/events": Rule("event feed", "R", "nothing"),
    "GET /v1/events/stream": Rule("event feed", "R", "nothing"),
    "GET /v1/webhooks": Rule("webhooks, keys", "RP", "nothing"),
    "POST /v1/webhooks": Rule("webhooks, keys", "W", "nothing", opened=201),
    **_WEBHOOKS,
    **_DEAD_LETTERS,
    **_REPLAYS,
}

# No token opens these: a signature in the address or over the body does. They have tests of their own.
SIGNED = {"GET /v1/links/{token}", "POST /v1/links/{token}/acknowledge", "POST /v1/sms/status"}
# Open to everybody, because they say nothing about anybody.
OPEN = {
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "GET /openapi.json",
    "GET /.well-known/jwks.json",
    "GET /docs",
    "GET /",
}
