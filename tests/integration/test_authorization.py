"""Every route, for everybody, about every student: the access table is kept, and a refusal tells nothing."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from uuid import UUID

import pytest

from shared.auth.keys import Keys
from shared.auth.tokens import issue_token
from tests.architecture.test_routes import ROUTES as DECLARED
from tests.architecture.test_routes import UNDECLARED
from tests.support.access_table import OPEN, ROUTES, SIGNED, THINGS, letters, needs_reason, needs_scope
from tests.support.callers import AT_LARGE, CALLERS, Caller
from tests.support.district import Answer, District
from tests.support.requests import Prepared, Requests
from tests.support.roll import FAMILIES, MENTORS, STAFF, address_of, id_of

STUDENT_IDS = {str(id_of(student)): student for student in FAMILIES}
GUARDIANS = {guardian for family in FAMILIES.values() for guardian in family.guardians} - set(STAFF)
GUARDIAN_IDS = {str(id_of(guardian)): guardian for guardian in GUARDIANS}
ADDRESSES = {address_of(each) for each in (*FAMILIES, *GUARDIANS, *STAFF)} | {f"{each}@example.net" for each in MENTORS}


@pytest.fixture(scope="module")
def requests(district: District) -> Requests:
    return Requests(district)


def is_open(
    key: str, caller: Caller, student: str | None, *, recipient: UUID | None = None, owner: str | None = None
) -> bool:
    """
    What the table says of one route, one caller and one student (None where no student is concerned).

    Args:
        recipient: Whose the notice is, where the route is about one.
        owner: Whose the webhook is, likewise.
    """
    rule = ROUTES[key]
    if rule.about == "self":
        return True
    column = caller.column_for(student)
    if rule.about == "file" and caller.role not in ("student", "guardian"):
        column = caller.column
    allowed = letters(rule.resource, column) & set(rule.needs)
    if rule.about == "notice" and "S" not in allowed:
        return bool(allowed) and recipient == id_of(caller.person)
    if rule.about == "webhook" and caller.role == "integrator" and owner != caller.person:
        return False
    if needs_scope(rule.resource, column) and not caller.scope:
        return False
    return bool(allowed) and (caller.reason is not None or not needs_reason(rule.resource, column))


def known_students(key: str, caller: Caller) -> set[str]:
    """Students whose ids may stand in this reply to this caller."""
    if key == "GET /v1/events" and (caller.scope or caller.role in ("ops", "district_admin")):
        return set(FAMILIES)
    if caller.column in AT_LARGE:
        return set(FAMILIES) if caller.column == "district admin" else set()
    resources = ("student record", "notices")
    return {student for student in FAMILIES if any(letters(each, caller.column_for(student)) for each in resources)}


def known_addresses(key: str, caller: Caller, student: str | None) -> set[str]:
    """Whose addresses may stand in this reply."""
    if key.endswith("/me/contact"):
        return {address_of(caller.person)}
    if key.endswith("/{student_id}/contacts") and student:
        barred = {"ana": {"bob"}, "bea": {"gil"}, "cal": {"kab"}}.get(student, set())
        return {address_of(each) for each in {student, *FAMILIES[student].guardians} - barred}
    if "/partners/" in key or "/relationship-files/" in key:
        return {f"{FAMILIES[student].mentor if student else 'clinic'}@example.net"}
    return set()


class Knocking:
    """One caller, going from door to door."""

    def __init__(self, district: District, requests: Requests, caller: Caller) -> None:
        self.district, self.requests, self.caller = district, requests, caller
        self.wrong: list[str] = []
        self.cases = 0
        self._absent: dict[tuple[str, str], tuple[object, ...]] = {}

    def everywhere(self) -> None:
        with self.district.at(self.caller.at), self.district.rehearsal():
            for key, rule in ROUTES.items():
                if rule.about == "webhook":
                    self.at_webhooks(key)
                elif rule.about in THINGS:
                    self.at_things(key)
                else:
                    self.at_students(key)

    def at_students(self, key: str) -> None:
        for student in self.caller.targets:
            things = self.district.things[student]
            recipients = [None]
            if ROUTES[key].about == "notice":
                # One's own and, of the others', the first.
                recipients = [each for each in things.notices if each == id_of(self.caller.person)]
                recipients += [each for each in things.notices if each != id_of(self.caller.person)][:1]
            for recipient in recipients:
                request = self.requests.about(key, student, recipient=recipient)
                self.check(key, request, is_open(key, self.caller, student, recipient=recipient), student)
        self.check(key, self.requests.about(key, None), False, None)

    def at_webhooks(self, key: str) -> None:
        for owner in self.district.endpoints:
            opened = is_open(key, self.caller, None, owner=owner)
            self.check(key, self.requests.about_webhook(key, owner), opened, None)
        self.check(key, self.requests.about_webhook(key, None), False, None)

    def at_things(self, key: str) -> None:
        opened = is_open(key, self.caller, None)
        self.check(key, self.requests.of_things(key, existing=True, role=self.caller.role), opened, None)
        if "{" in key and not opened:
            self.check(key, self.requests.of_things(key, existing=False), False, None)

    def check(self, key: str, request: Prepared, opened: bool, student: str | None) -> None:
        self.cases += 1
        answer = self.ask(key, request)
        if opened:
            faults: Iterable[str] = self._faults_of_answer(key, answer, student)
        else:
            same = shape(answer) == self.absent(key)
            faults = [] if same else [f"not refused: {answer.status} {answer.body[:200]!r}"]
        self.wrong += [f"{request.method} {request.path} about {student}: {fault}" for fault in faults]

    def ask(self, key: str, request: Prepared) -> Answer:
        token = self.district.token(self.caller.role, self.caller.person, scope=self.caller.scope)
        signed = {**token, **self.caller.headers}
        headers = {**signed, **request.headers}
        return self.district.ask(
            DECLARED[key].service, request.method, request.path, headers=headers, body=request.body
        )

    def absent(self, key: str) -> tuple[object, ...]:
        """How this service answers about an address that it does not have at all."""
        door = DECLARED[key].service, key.partition(" ")[0]
        if door not in self._absent:
            self._absent[door] = shape(self.ask(key, Prepared(door[1], "/v1/nowhere")))
        return self._absent[door]

    def _faults_of_answer(self, key: str, answer: Answer, student: str | None) -> Iterator[str]:
        expected = ROUTES[key].opened
        if answer.status != expected:
            yield f"{answer.status} instead of {expected}: {answer.body[:300]!r}"
            return
        text = answer.body.decode()
        others = {name for id_, name in STUDENT_IDS.items() if id_ in text} - known_students(key, self.caller)
        if others:
            yield f"tells of {sorted(others)}"
        if self.caller.role in ("student", "guardian"):
            foreign = {name for id_, name in GUARDIAN_IDS.items() if id_ in text} - {self.caller.person}
            if foreign:
                yield f"tells of the guardians {sorted(foreign)}"
        if passed_on := addresses_in(answer) - known_addresses(key, self.caller, student):
            yield f"passes on {sorted(passed_on)}"


def addresses_in(answer: Answer) -> set[str]:
    return {address for address in ADDRESSES if address.encode() in answer.body}


def shape(answer: Answer) -> tuple[object, ...]:
    """Everything a refusal could tell by: status, body, and which headers there are."""
    return answer.status, answer.body, answer.headers.get("Content-Type"), frozenset(map(str.lower, answer.headers))


class TestEveryRoute:
    def test_is_in_the_table(self) -> None:
        assert set(DECLARED) == set(ROUTES) | SIGNED
        assert set(UNDECLARED) >= OPEN

    @pytest.mark.parametrize("name", CALLERS)
    def test_opens_to_whom_the_table_says(self, district: District, requests: Requests, name: str) -> None:
        knocking = Knocking(district, requests, CALLERS[name])

        knocking.everywhere()

        assert knocking.wrong == []
        assert knocking.cases > len(ROUTES)

    @pytest.mark.parametrize("token", ["none", "expired", "forged", "of another audience", "of an unknown role"])
    def test_is_closed_without_a_token_that_holds(self, district: District, requests: Requests, token: str) -> None:
        bad = BAD_TOKENS[token](district)
        headers = {"Authorization": f"Bearer {bad}"} if bad else {}
        wrong = []
        for key in ROUTES:
            for student in ("ana", None):
                request = requests.existing(key, student=student)
                answer = district.ask(
                    DECLARED[key].service,
                    request.method,
                    request.path,
                    headers={**request.headers, **headers},
                    body=request.body,
                )
                if answer.status != 401 or "Www-Authenticate" not in answer.headers:
                    wrong.append((key, student, answer.status))

        assert wrong == []


def _expired(district: District) -> str:
    return issue_token(district.settings, role="counselor", person_id=id_of("kim"), lifetime_s=-60)


def _signed(district: District, **changes: object) -> str:
    now = int(time.time())
    claims = {"iss": "signpost", "aud": "signpost", "sub": str(id_of("kim")), "role": "counselor", "exp": now + 600}
    return Keys.from_settings(district.settings).sign(claims | changes)


def _forged(district: District) -> str:
    own = Keys.from_settings(district.settings)
    other = Keys.generate().model_copy(update={"key_id": own.key_id})
    now = int(time.time())
    claims = {"iss": "signpost", "aud": "signpost", "sub": str(id_of("kim")), "role": "counselor", "exp": now + 600}
    return other.sign(claims)


BAD_TOKENS: Mapping[str, Callable[[District], str]] = {
    "none": lambda _: "",
    "expired": _expired,
    "forged": _forged,
    "of another audience": lambda district: _signed(district, aud="elsewhere"),
    "of an unknown role": lambda district: _signed(district, role="superintendent"),
}
