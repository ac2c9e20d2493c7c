"""Odd requests of every role against every route, one after the other: no service fails, and no door opens by it."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zlib import crc32

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from services.composition import SERVICES
from shared.messaging.operations.dead_letters import list_dead_letters
from shared.testing.databases import postgres_urls
from tests.architecture.test_routes import ROUTES as DECLARED
from tests.integration.test_authorization import STUDENT_IDS, addresses_in, is_open, known_addresses, known_students
from tests.support import junk
from tests.support.access_table import ROUTES, SIGNED, THINGS
from tests.support.callers import CALLERS, Caller
from tests.support.district import UNREADABLE, Answer, District
from tests.support.requests import Prepared, Requests

EXAMPLES, EXAMPLES_IN_FULL = 80, 1_000
FUZZERS = {
    name: CALLERS[name]
    for name in (
        "student",
        "guardian",
        "barred guardian",
        "counselor who is a parent of another",
        "teacher",
        "case manager",
        "integrator with a scope",
        "district admin with a reason",
        "ops",
    )
}
PARAMETER = re.compile(r"\{(\w+)\}")
# What a route reads of the query: as declared, and what some read besides.
BESIDES = ("cursor", "limit", "state", "open", "parked", "error_class", "sourced_id")
NAMES = {key: [*(route.query.model_fields if route.query else ()), *BESIDES] for key, route in DECLARED.items()}
SCHEMAS = {key: route.body.model_json_schema() if route.body else None for key, route in DECLARED.items()}


@dataclass(frozen=True)
class Odd:
    """One request: a route, whose things its path names, and what is wrong with it."""

    key: str
    student: str | None
    segments: Mapping[str, str]  # in place of the right ones
    query: str
    headers: Mapping[str, str]
    body: Any
    keeps_body: bool


def odd_requests(caller: Caller) -> st.SearchStrategy[Odd]:
    """Mostly to doors that are open to the caller, as there is more behind them."""
    opened = [key for key in ROUTES if is_open(key, caller, _student(key, caller), owner="vendor")]
    return _odd_request(st.sampled_from(opened) | st.sampled_from(opened) | st.sampled_from(sorted(DECLARED)))


@st.composite
def _odd_request(draw: st.DrawFn, keys: st.SearchStrategy[str]) -> Odd:
    key = draw(keys)
    names = PARAMETER.findall(key)
    spoilt = names and draw(st.integers(0, 3)) == 0
    return Odd(
        key=key,
        student=draw(st.sampled_from(["ana", "ana", "ana", "pat", "cal", "dan", None])),
        segments={draw(st.sampled_from(names)): draw(junk.segments())} if spoilt else {},
        query=draw(junk.queries(NAMES[key])),
        headers=draw(junk.HEADERS),
        body=draw(junk.bodies(SCHEMAS[key])) if not key.startswith("GET ") else None,
        keeps_body=draw(st.integers(0, 3)) == 0,
    )


def _student(key: str, caller: Caller) -> str | None:
    return None if ROUTES[key].about in THINGS else caller.own


class Fuzzing:
    """One caller sending odd requests."""

    def __init__(self, district: District, caller: Caller) -> None:
        self._district, self._caller = district, caller
        self._requests = Requests(district)
        self._token = {**district.token(caller.role, caller.person, scope=caller.scope), **caller.headers}

    def send(self, odd: Odd) -> None:
        request = self._request(odd)
        answer = self._district.ask(
            DECLARED[odd.key].service,
            request.method,
            request.path,
            headers={**request.headers, **odd.headers, **self._token},
            body=request.body,
        )
        assert answer.status < 500, (request, answer)
        self._check(odd, request, answer)

    def _request(self, odd: Odd) -> Prepared:
        if odd.key in SIGNED:
            method, _, path = odd.key.partition(" ")
            right = Prepared(method, path.replace("{token}", odd.segments.get("token", "x")))
        else:
            right = self._requests.existing(odd.key, student=odd.student)
        path, _, query = right.path.partition("?")
        parts = odd.key.partition(" ")[2].split("/")
        filled = path.split("/")
        for place, part in enumerate(parts):
            name = part.strip("{}")
            if part != name and name in odd.segments:
                filled[place] = odd.segments[name]
        query = "&".join(filter(None, [odd.query, query if not odd.query else ""]))
        body = right.body if odd.keeps_body else _encoded(odd.body)
        return Prepared(right.method, "/".join(filled) + (f"?{query}" if query else ""), right.headers, body)

    def _check(self, odd: Odd, request: Prepared, answer: Answer) -> None:
        text = answer.body.decode("utf-8", "replace")
        sent = f"{request.path} {request.body!r}"
        told = {name for id_, name in STUDENT_IDS.items() if id_ in text and id_ not in sent}
        assert told <= known_students(odd.key, self._caller), (request, answer)
        if odd.key in SIGNED:
            assert answer.status >= 400, (request, answer)
            return
        rule = ROUTES[odd.key]
        student = None if rule.about in THINGS or odd.segments else odd.student
        # An entry in a partner's file may be about nobody: then a student in the draft of the request means nothing.
        if answer.status < 300 and not odd.segments and not odd.key.endswith("/entries"):
            recipient = self._recipient(odd) if rule.about == "notice" else None
            opened = is_open(odd.key, self._caller, student, recipient=recipient, owner="vendor")
            assert opened, (request, answer)
        assert addresses_in(answer) <= known_addresses(odd.key, self._caller, student), (request, answer)

    def _recipient(self, odd: Odd) -> UUID | None:
        return next(iter(self._district.things[odd.student].notices)) if odd.student else None


def _encoded(body: Any) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    return json.dumps(body).encode()


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def shaken(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[District]:
    """A district to be left in whatever state, on each kind of database: they fail over different things."""
    folder = tmp_path_factory.mktemp("shaken")
    if request.param == "sqlite":
        district = District(folder)
        yield district
        district.close()
        return
    with postgres_urls(request.getfixturevalue("postgres_server"), list(SERVICES)) as url:
        district = District(folder, database_url=url)
        yield district
        district.close()


@pytest.mark.parametrize("name", FUZZERS)
def test_no_service_fails_and_no_door_opens(shaken: District, name: str, request: pytest.FixtureRequest) -> None:
    examples = EXAMPLES_IN_FULL if request.config.getoption("--full") else EXAMPLES
    fuzzing = Fuzzing(shaken, FUZZERS[name])

    @seed(crc32(name.encode()))
    @given(st.lists(odd_requests(FUZZERS[name]), min_size=1, max_size=8))
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def sends(requests: Sequence[Odd]) -> None:
        for odd in requests:
            fuzzing.send(odd)

    if FUZZERS[name].role == "district_admin":
        with shaken.rehearsal():  # what administrators may do would change who may do what
            sends()
    else:
        sends()
        shaken.drain()

    for service in SERVICES:
        letters = list_dead_letters(shaken.database(service), include_parked=True)
        assert [letter for letter in letters if letter.event_id != UNREADABLE.event_id] == []
