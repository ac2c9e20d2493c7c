"""Database or broker away, at start or midway: said clearly, waited for with backoff, and nothing lost."""

import json
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import psutil
import psycopg
import pytest
import requests

from services.composition import SERVICES
from services.sample_district import load_sample_district
from shared.testing.databases import postgres_urls
from shared.testing.deployment import Deployment, wait_until
from tests.flows.test_plan_changes_reach_everybody import assert_nothing_sent_twice, notices_by_guardian
from tests.support import engines
from tests.support.chaos import Chaos
from tests.support.consequences import Consequences
from tests.support.sample import Person, Planned, SampleDistrict, Student, drop, plan_path, put_back, request

STUDENTS = 16
GOING_ON_S = 60.0
HELD_S = 2.0
# What a client meets while something is away, and asks again after.
AWAY = (502, 503, 504)


@dataclass
class Fragile:
    """A deployment that reaches its database and its broker through proxies, and the district in it."""

    deployment: Deployment
    database: Chaos
    broker: Chaos
    server: str
    loaded: list[SampleDistrict] = field(default_factory=list)

    @property
    def district(self) -> SampleDistrict:
        """The sample district, loaded on first use into the deployment, which is started if need be."""
        if not self.deployment.names:
            self.deployment.start()
        if not self.loaded:
            load_sample_district(self.deployment.settings, students=STUDENTS, say=print)
            self.loaded.append(SampleDistrict(self.deployment))
        return self.loaded[0]

    def cut_sessions(self) -> int:
        """End every session in the deployment's databases; how many there were."""
        prefix = urlsplit(str(self.deployment.database_url)).path.removeprefix("/").replace("{service}", "%")
        with psycopg.connect(self.server, autocommit=True) as admin:
            cut = admin.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname LIKE %s", [prefix]
            ).fetchone()
        assert cut is not None
        return int(cut[0])

    def logged(self, process: str, event: str) -> list[dict[str, Any]]:
        """Log lines of a process with this event."""
        path = self.deployment.home / f"{process}.log"
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        told = [json.loads(line) for line in lines if line.startswith("{")]
        return [line for line in told if line.get("event") == event]

    def process_ids(self) -> dict[str, int]:
        found = {name: self.deployment.process_id(name) for name in self.deployment.names}
        for name, process_id in found.items():
            assert psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE, f"{name} has ended"
        return found


def refuse(proxy: Chaos) -> None:
    """Break what is connected, and refuse everything new."""
    proxy.fault = "refuse"
    proxy.reset()


def serve(proxy: Chaos) -> None:
    proxy.fault = "none"


@pytest.fixture(scope="module")
def prepared(
    postgres_server: str, rabbit: engines.Rabbit, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fragile]:
    with ExitStack() as stack:
        amqp_url = stack.enter_context(rabbit.vhost())
        database_url = stack.enter_context(postgres_urls(postgres_server, list(SERVICES)))
        broker = stack.enter_context(Chaos(urlsplit(amqp_url).port or 5672))
        database = stack.enter_context(Chaos(urlsplit(database_url).port or 5432))
        deployment = Deployment(
            tmp_path_factory.mktemp("fragile") / "home",
            amqp_url=broker.before(amqp_url),
            database_url=database.before(database_url),
        )
        yield Fragile(stack.enter_context(deployment), database, broker, postgres_server)


@pytest.fixture
def fragile(prepared: Fragile) -> Iterator[Fragile]:
    yield prepared
    serve(prepared.database)
    serve(prepared.broker)
    print(prepared.deployment.logs()[-8000:])


@dataclass
class Changing:
    """Takes a course out of a plan and puts it back, again and again; asks as a phone does until it is answered."""

    district: SampleDistrict
    student: Student
    course: Planned
    version: int = 0
    made: list[UUID] = field(default_factory=list)

    @classmethod
    def of(cls, district: SampleDistrict) -> "Changing":
        student = district.take(lambda each: any(guardian.email for guardian in each.guardians))
        course = next(each for each in student.courses if not each.is_taken and each.term != "YEAR")
        _, etag = district.plan(student)
        return cls(district, student, course, int(etag.strip('"')))

    @property
    def next_change(self) -> dict[str, Any]:
        return put_back(self.course) if len(self.made) % 2 else drop(self.course.code)

    def send(self, key: str) -> requests.Response | None:
        """One attempt at the next change; None if there was no answer."""
        headers = {"If-Match": f'"{self.version}"', "Idempotency-Key": key}
        try:
            return self.district.call(
                "POST",
                f"{plan_path(self.student)}/changes",
                self.student.counselor,
                headers=headers,
                json={"changes": [self.next_change]},
            )
        except requests.RequestException:
            return None

    def change(self, key: str | None = None) -> UUID:
        """Make the next change, asking again with the same key while something is away; its journey."""
        key = key or uuid4().hex

        def answered() -> list[requests.Response]:  # a refusal is an answer too, though requests calls it false
            answer = self.send(key)
            return [] if answer is None or answer.status_code in AWAY else [answer]

        [answer] = wait_until(answered, timeout_s=GOING_ON_S, what="an answer to a plan change", interval_s=0.2)
        assert answer.status_code == 200, answer.text
        self.version += 1
        assert answer.headers["ETag"] == f'"{self.version}"'
        self.made.append(UUID(answer.headers["Correlation-Id"]))
        return self.made[-1]

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Make changes in the background, one after the other, for as long as the block lasts."""
        ended, failed = threading.Event(), list[BaseException]()

        def run() -> None:
            try:
                while not ended.is_set():
                    self.change()
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(GOING_ON_S + 30)
        assert not failed, failed

    def wait_for(self, more: int) -> None:
        """Until so many more changes have been confirmed."""
        wanted = len(self.made) + more
        wait_until(lambda: len(self.made) >= wanted, timeout_s=GOING_ON_S, what=f"{more} more changes")


def assert_nothing_lost(fragile: Fragile, changing: Changing) -> None:
    """Each confirmed change is one version, and each guardian who can be reached was told of it once."""
    consequences = Consequences(fragile.deployment)
    for journey in changing.made:
        consequences.settle(journey, timeout_s=GOING_ON_S)
    consequences.close()
    _, etag = fragile.district.plan(changing.student)
    assert etag == f'"{changing.version}"'
    told = {key: count for key, count in notices_by_guardian(fragile.deployment).items() if key[0] in changing.made}
    reachable: list[Person] = [each for each in changing.student.guardians if each.email or each.sms]
    assert told == Counter((journey, guardian.person_id) for journey in changing.made for guardian in reachable)
    assert_nothing_sent_twice(fragile.deployment)


def waits_of(fragile: Fragile, event: str, *, since: int = 0, **fields: str) -> list[dict[str, Any]]:
    """The worker's lines that say it waits, each time longer: three or more, after the first `since` of this event."""

    def found() -> list[dict[str, Any]]:
        lines = fragile.logged("worker", event)[since:]
        chosen = [line for line in lines if all(line[name] == value for name, value in fields.items())]
        return chosen if len(chosen) >= 3 else []

    lines = wait_until(found, timeout_s=GOING_ON_S, what=f"three lines {event} with {fields}")
    delays = [line["retry_in_s"] for line in lines]
    assert delays == sorted(delays), delays
    assert delays[-1] > delays[0]
    return lines


class TestAtStart:
    def test_processes_say_what_is_missing_and_wait_for_it(self, fragile: Fragile) -> None:
        # Given databases that are set up, and then both engines away
        deployment = fragile.deployment
        deployment.signpost("migrate")
        deployment.signpost("topology", "apply")
        deployment.stop()
        refuse(fragile.database)
        refuse(fragile.broker)

        # When the processes are started
        deployment.spawn("mailbox", "services.cli", "dev-mailbox")
        deployment.spawn("web", "services.cli", "web")
        deployment.spawn("worker", "services.worker_process")

        # Then the API says in every way that it has no database
        ready = self.answer_of(fragile, "/readyz", status=503)
        assert ready.json()["missing"] == ["database"]
        answer = self.answer_of(fragile, "/v1/courses", status=503)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert (answer.json()["code"], answer.json()["type"]) == ("unavailable", "/problems/unavailable")
        assert "database is away" in answer.json()["detail"]
        assert int(answer.headers["Retry-After"]) > 0
        assert "database of catalog at" in fragile.logged("web", "database_away")[-1]["reason"]

        # and the worker names the database it waits for, trying again ever less often
        lines = waits_of(fragile, "waiting_for_database", of="roster")
        assert all(f"database of roster at 127.0.0.1:{fragile.database.port}/" in line["missing"] for line in lines)

        # When the database is there, then it is the broker that the worker waits for
        before = fragile.process_ids()
        serve(fragile.database)
        self.answer_of(fragile, "/readyz", status=200)
        lines = waits_of(fragile, "waiting_for_broker", of="topology")
        assert all(f"RabbitMQ at 127.0.0.1:{fragile.broker.port}/" in line["missing"] for line in lines)

        # When the broker is there, too, then all goes on as if nothing had been
        serve(fragile.broker)
        wait_until(lambda: fragile.logged("worker", "worker_started"), timeout_s=GOING_ON_S, what="the worker")
        changing = Changing.of(fragile.district)
        changing.change()
        assert_nothing_lost(fragile, changing)
        assert fragile.process_ids() == before
        assert_no_secret(fragile)

    def answer_of(self, fragile: Fragile, path: str, *, status: int) -> requests.Response:
        """The answer to a request, once it has this status."""
        administrator = ("district_admin", UUID(int=1))
        found: list[requests.Response] = []

        def answered() -> bool:
            try:
                found.append(request(fragile.deployment, "GET", path, administrator))
            except requests.RequestException:
                return False
            return found[-1].status_code == status

        wait_until(answered, timeout_s=GOING_ON_S, what=f"{status} from {path}", interval_s=0.2)
        return found[-1]


class TestMidway:
    def test_cut_database_sessions_lose_nothing(self, fragile: Fragile) -> None:
        changing = Changing.of(fragile.district)
        before = fragile.process_ids()

        with changing.going_on():
            for _ in range(4):
                changing.wait_for(2)
                assert fragile.cut_sessions() > 0

        assert_nothing_lost(fragile, changing)
        assert fragile.process_ids() == before

    def test_a_database_away_is_waited_for(self, fragile: Fragile) -> None:
        changing = Changing.of(fragile.district)
        before, said = fragile.process_ids(), len(fragile.logged("worker", "relay_waits"))
        changing.change()

        # When it goes away, then a change is refused as a whole
        refuse(fragile.database)
        key = uuid4().hex
        refused = changing.send(key)
        assert refused is not None
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert refused.json()["detail"] == "The service's database is away; nothing was changed."
        # and the workers say what they wait for
        for service in SERVICES:
            lines = waits_of(fragile, "relay_waits", since=said, service=service)
            assert all(f":{fragile.database.port}/" in line["error"] for line in lines), lines[0]

        # When it is back, then the same request goes through, and all that follows follows
        serve(fragile.database)
        changing.change(key)
        assert_nothing_lost(fragile, changing)
        assert fragile.process_ids() == before

    def test_a_broker_away_holds_nobody_up(self, fragile: Fragile) -> None:
        changing = Changing.of(fragile.district)
        before, said = fragile.process_ids(), len(fragile.logged("worker", "broker_away"))

        # When the broker is away, then plans can be changed as ever
        refuse(fragile.broker)
        for _ in range(4):
            changing.change()
        # and the workers name what they wait for
        for service in SERVICES:
            lines = waits_of(fragile, "broker_away", since=said, queue=f"signpost.events.{service}")
            assert f"cannot connect to RabbitMQ at 127.0.0.1:{fragile.broker.port}/" in lines[-1]["error"]
        assert fragile.logged("worker", "relay_waits")

        # When it is back, then everything that was held back comes out
        serve(fragile.broker)
        assert_nothing_lost(fragile, changing)
        assert fragile.process_ids() == before

    def test_a_broker_cut_off_again_and_again_loses_nothing(self, fragile: Fragile) -> None:
        changing = Changing.of(fragile.district)
        before = fragile.process_ids()

        with changing.going_on():
            for _ in range(5):
                changing.wait_for(2)
                fragile.broker.reset()

        assert_nothing_lost(fragile, changing)
        assert fragile.process_ids() == before


class TestAnotherWriter:
    @pytest.mark.parametrize("service", ["plans", "notifications"])
    def test_only_holds_a_change_up(self, district: SampleDistrict, consequences: Consequences, service: str) -> None:
        changing = Changing.of(district)

        with writer_of(district.deployment, service) as let_go:
            timer = threading.Timer(HELD_S, let_go)
            timer.start()
            journey = changing.change()
            if service == "plans":
                assert not timer.is_alive(), "it cannot have been written while another held the lock"
            timer.join()

        consequences.settle(journey)
        told = {key[1] for key in notices_by_guardian(district.deployment) if key[0] == journey}
        assert told == {each.person_id for each in changing.student.guardians if each.email or each.sms}


@contextmanager
def writer_of(deployment: Deployment, service: str) -> Iterator[Callable[[], None]]:
    """Hold what every other writer of a service's database needs; gives the function that lets go of it."""
    url = deployment.settings.database_url_for(service)
    with ExitStack() as stack:
        if url.startswith("sqlite"):
            path = url.removeprefix("sqlite:///")
            lite = stack.enter_context(closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)))
            lite.execute("BEGIN IMMEDIATE")
            yield lite.rollback
        else:
            post = stack.enter_context(psycopg.connect(url.replace("+psycopg", "")))
            post.execute("LOCK TABLE outbox IN EXCLUSIVE MODE")
            yield post.rollback


def assert_no_secret(fragile: Fragile) -> None:
    """Passwords of database and broker are in no log."""
    parts = urlsplit(str(fragile.deployment.database_url))
    assert parts.password
    for service in SERVICES:
        assert parts.password.replace("{service}", service) + "@" not in fragile.deployment.logs()
    assert "guest:guest" not in fragile.deployment.logs()
