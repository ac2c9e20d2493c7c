"""What lists and links show to whom, what an order takes away at once, and what is logged of it."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import delete, func, select

from services.notifications.links.rules import AcknowledgeLink, sign_link
from services.notifications.notices.tables import notices
from services.notifications.settings import NotificationsSettings
from services.notifications.tasks.tables import tasks
from shared.auth.tables import disclosure_log
from tests.support.access_table import letters
from tests.support.callers import CALLERS, Caller
from tests.support.district import NOBODY, NOON, Answer, District
from tests.support.roll import FAMILIES, id_of

EVERYBODY = pytest.mark.parametrize("name", CALLERS)
Rows = Mapping[UUID, tuple[str, UUID | None]]


class Asking:
    """One caller reading."""

    def __init__(self, district: District, caller: Caller) -> None:
        self.district, self.caller = district, caller

    def get(self, service: str, path: str) -> Answer:
        headers = {**self.district.token(self.caller.role, self.caller.person), **self.caller.headers}
        with self.district.at(self.caller.at):
            return self.district.ask(service, "GET", path, headers=headers)

    def ids(self, service: str, path: str, name: str) -> set[UUID]:
        """What a list shows."""
        answer = self.get(service, path)
        assert answer.status == 200, (path, answer)
        return {UUID(item[name]) for item in answer.document["items"]}

    def may(self, resource: str, student: str) -> frozenset[str]:
        """What the table allows to those who have a relation to the student; lists show no more to anybody."""
        return letters(resource, self.caller.students.get(student, "stranger"))

    @property
    def own_id(self) -> UUID:
        return id_of(self.caller.person)


@pytest.fixture
def asking(district: District, name: str) -> Asking:
    return Asking(district, CALLERS[name])


@pytest.fixture(scope="module")
def noticed(district: District) -> Rows:
    """Every notice: about which student, to whom."""
    names = {id_of(student): student for student in FAMILIES}
    with district.database("notifications").reading() as session:
        found = session.execute(select(notices.c.notice_id, notices.c.student_id, notices.c.recipient_id)).all()
    return {row.notice_id: (names[row.student_id], row.recipient_id) for row in found}


@pytest.fixture(scope="module")
def asked_for(district: District) -> Rows:
    """Every task: about which student, whose."""
    names = {id_of(student): student for student in FAMILIES}
    with district.database("notifications").reading() as session:
        found = session.execute(select(tasks.c.task_id, tasks.c.student_id, tasks.c.assignee_id)).all()
    return {row.task_id: (names[row.student_id], row.assignee_id) for row in found}


@EVERYBODY
class TestLists:
    def test_students(self, asking: Asking) -> None:
        expected = {id_of(student) for student in FAMILIES if asking.may("student record", student)}

        assert asking.ids("roster", "/v1/students", "student_id") == expected
        me = asking.get("roster", "/v1/me").document
        assert {UUID(each["student"]["student_id"]) for each in me["students"]} == expected
        assert UUID(me["person_id"]) == asking.own_id

    def test_notices_are_ones_own(self, asking: Asking, noticed: Rows) -> None:
        expected = {
            notice_id
            for notice_id, (student, recipient) in noticed.items()
            if recipient == asking.own_id and asking.may("notices", student)
        }

        assert asking.ids("notifications", "/v1/notices?limit=200", "notice_id") == expected

    def test_notices_about_one_student(self, asking: Asking, noticed: Rows) -> None:
        check_about_each_student(asking, "notices", "notice_id", noticed, everybodys="S")

    def test_tasks_are_ones_own(self, asking: Asking, asked_for: Rows) -> None:
        expected = {
            task_id
            for task_id, (student, assignee) in asked_for.items()
            if assignee == asking.own_id and asking.may("tasks", student)
        }

        assert asking.ids("notifications", "/v1/tasks?limit=200", "task_id") == expected

    def test_tasks_about_one_student(self, asking: Asking, asked_for: Rows) -> None:
        check_about_each_student(asking, "tasks", "task_id", asked_for, everybodys="W")

    def test_the_first_screen_is_made_of_no_more(self, asking: Asking) -> None:
        home = asking.get("gateway", "/v1/home").document
        shown = home.get("plans") or []

        assert home["missing"] == []
        assert {UUID(plan["student_id"]) for plan in shown} <= {
            id_of(student) for student in FAMILIES if asking.may("plan", student)
        }
        if asking.caller.role in ("student", "guardian"):
            assert len(shown) == sum(bool(asking.may("plan", student)) for student in FAMILIES)

    def test_journeys_tell_families_of_what_was_said_to_them(self, asking: Asking) -> None:
        for student in FAMILIES:
            path = f"/v1/journeys/{asking.district.things[student].correlation_id}"
            answer = asking.get("gateway", path)
            assert (answer.status == 200) == bool(asking.may("journeys", student)), (student, answer)
            if answer.status == 200 and asking.caller.role in ("student", "guardian"):
                types = [step["type"] for step in answer.document["steps"]]
                told = [each for each in types if each.startswith("notifications.notice.")]
                assert not any(each.startswith(("notifications.task.", "roster.guardianship.")) for each in types)
                assert len(told) <= 1


def check_about_each_student(asking: Asking, kind: str, id_name: str, rows: Rows, *, everybodys: str) -> None:
    """Everybody's for those who have this letter, one's own for those who have another, and else nothing at all."""
    nothing = asking.get("notifications", f"/v1/{kind}?student_id={NOBODY}")
    assert nothing.status == 404
    for student in FAMILIES:
        path = f"/v1/{kind}?limit=200&student_id={id_of(student)}"
        about = {id_: whose for id_, (whom, whose) in rows.items() if whom == student}
        allowed = asking.may(kind, student)
        if allowed:
            expected = {id_ for id_, whose in about.items() if everybodys in allowed or whose == asking.own_id}
            assert asking.ids("notifications", path, id_name) == expected, student
        else:
            assert asking.get("notifications", path).body == nothing.body, student


class TestOwnTasks:
    def test_are_finished_by_those_who_were_asked(self, district: District) -> None:
        """Nobody but a counselor is asked yet; the table gives a case manager the own tasks, and no others."""
        done = f"/v1/tasks/{district.things['ana'].task_id}/done"
        manager = district.token("case_manager", "cam")
        with district.rehearsal():
            refused = district.ask("notifications", "POST", done, headers=manager)
        with district.database("notifications").transaction() as uow:
            ours = tasks.c.task_id == district.things["ana"].task_id
            uow.session.execute(tasks.update().where(ours).values(assignee_id=id_of("cam")))
        try:
            with district.rehearsal():
                finished = district.ask("notifications", "POST", done, headers=manager)
        finally:
            with district.database("notifications").transaction() as uow:
                uow.session.execute(tasks.update().where(ours).values(assignee_id=id_of("kim")))

        assert (refused.status, finished.status) == (404, 200)


def link_to(district: District, person: str, student: str, notice_id: UUID, *, days: int = 1) -> str:
    link = AcknowledgeLink(notice_id, id_of(person), id_of(student), NOON + timedelta(days=days))
    return sign_link(link, NotificationsSettings.of(district.settings).link_key)


class TestLinks:
    @pytest.mark.parametrize("name", [name for name, caller in CALLERS.items() if caller.role == "guardian"])
    def test_open_for_those_who_may_still_be_told(self, district: District, name: str) -> None:
        caller = CALLERS[name]
        for student in caller.students:
            notice_id = district.things[student].notices.get(id_of(caller.person), NOBODY)
            opened = bool(letters("notices", caller.students[student])) and notice_id != NOBODY
            with district.at(caller.at), district.rehearsal():
                for method, rest in (("GET", ""), ("POST", "/acknowledge")):
                    token = link_to(district, caller.person, student, notice_id, days=2)
                    answer = district.ask("notifications", method, f"/v1/links/{token}{rest}")
                    token = link_to(district, caller.person, student, NOBODY, days=2)
                    nothing = district.ask("notifications", method, f"/v1/links/{token}{rest}")

                    assert nothing.status == 404
                    assert answer.status == 200 if opened else answer.body == nothing.body, (student, answer)

    def test_are_for_one_person_and_one_notice(self, district: District) -> None:
        notice_id = district.things["ana"].notices[id_of("gus")]
        others = [link_to(district, "gil", "ana", notice_id), link_to(district, "gus", "bea", notice_id)]

        assert [district.ask("notifications", "GET", f"/v1/links/{token}").status for token in others] == [404, 404]

    def test_end(self, district: District) -> None:
        token = link_to(district, "gus", "ana", district.things["ana"].notices[id_of("gus")], days=-1)

        assert district.ask("notifications", "GET", f"/v1/links/{token}").status == 410

    def test_say_where_nobody_can_be_reached(self, district: District) -> None:
        token = link_to(district, "gus", "ana", district.things["ana"].notices[id_of("gus")])

        assert b"@" not in district.ask("notifications", "GET", f"/v1/links/{token}").body


class TestProviderReports:
    def test_without_a_signature_tell_nothing(self, district: District) -> None:
        answers = [
            district.ask("notifications", "POST", f"/v1/sms/status?message={message}", body=b"MessageStatus=failed")
            for message in (NOBODY, next(iter(district.things["ana"].notices.values())))
        ]

        assert [answer.status for answer in answers] == [403, 403]
        assert answers[0].body == answers[1].body


class TestOrderFiledMidSession:
    """Una has been reading; then an administrator files an order, and later two of them lift it."""

    def reads(self, district: District) -> list[int]:
        ana, una = district.things["ana"], district.token("guardian", "una")
        token = link_to(district, "una", "ana", ana.notices[id_of("una")])
        return [
            district.ask(service, "GET", path, headers=una).status
            for service, path in (
                ("roster", f"/v1/students/{id_of('ana')}"),
                ("roster", "/v1/me/contact"),
                ("plans", f"/v1/students/{id_of('ana')}/plan"),
                ("mentorship", f"/v1/students/{id_of('ana')}/matches"),
                ("notifications", f"/v1/notices/{ana.notices[id_of('una')]}"),
                ("notifications", f"/v1/links/{token}"),
                ("gateway", f"/v1/journeys/{ana.correlation_id}"),
            )
        ]

    def decide(self, district: District, administrator: str, path: str, body: object = None) -> dict[str, str]:
        headers = district.token("district_admin", administrator)
        answer = district.ask("roster", "POST", path, headers=headers, body=body)
        assert answer.status in (200, 201), answer
        document: dict[str, str] = answer.document
        return document

    def test_takes_effect_at_the_next_request(self, district: District) -> None:
        before = self.reads(district)
        path = f"/v1/students/{id_of('ana')}/guardians/{id_of('una')}/restriction"

        order = self.decide(district, "director", path, {"document": "Docket 20", "barred": True})
        at_once = self.reads(district)
        district.drain()
        after = self.reads(district)
        home = district.ask("gateway", "GET", "/v1/home", headers=district.token("guardian", "una")).document
        self.decide(district, "director", f"/v1/restrictions/{order['order_id']}/lift", {"document": "Docket 21"})
        district.drain()
        asked_to_lift = self.reads(district)
        self.decide(district, "deputy", f"/v1/restrictions/{order['order_id']}/confirm")
        district.drain()

        assert before == self.reads(district) == [200] * 7
        assert at_once[:2] == [404, 404]  # the roster itself does not wait for its own event
        assert after == asked_to_lift == [404] * 7
        assert home.get("plans", []) == home["students"]["items"] == home["notices"]["items"] == []


class TestDisclosure:
    DIRECTOR = CALLERS["district admin with a reason"]

    @pytest.fixture(autouse=True)
    def nothing_logged(self, district: District) -> Iterator[None]:
        yield
        for service in ("roster", "plans"):
            with district.database(service).transaction() as uow:
                uow.session.execute(delete(disclosure_log))

    def logged(self, district: District, service: str) -> int:
        with district.database(service).reading() as session:
            return session.scalar(select(func.count()).select_from(disclosure_log)) or 0

    @pytest.mark.parametrize(
        ("service", "rest", "resource"),
        [
            ("roster", "", "student"),
            ("roster", "/staff", "student"),
            ("roster", "/contacts", "contacts"),
            ("roster", "/guardians", "restrictions"),
            ("plans", "/plan", "plan"),
            ("plans", "/plan/audit", "plan"),
            ("plans", "/plan/versions", "plan"),
            ("plans", "/plan/versions/1", "plan"),
        ],
    )
    def test_is_one_row_for_each_read_by_an_outsider(
        self, district: District, service: str, rest: str, resource: str
    ) -> None:
        answer = Asking(district, self.DIRECTOR).get(service, f"/v1/students/{id_of('ana')}{rest}")

        assert answer.status == 200
        with district.database(service).reading() as session:
            row = session.execute(select(disclosure_log)).one()
        assert (row.person_id, row.role, row.student_id, row.resource, row.reason, row.at) == (
            id_of("director"),
            "district_admin",
            id_of("ana"),
            resource,
            "complaint 7",
            NOON,
        )

    @pytest.mark.parametrize("path", ["/v1/students/{}/plan", "/v1/students/{}/plan/audit"])
    def test_is_no_row_for_a_refused_read(self, district: District, path: str) -> None:
        nobody, ana = path.format(NOBODY), path.format(id_of("ana"))
        refused = [
            Asking(district, self.DIRECTOR).get("plans", nobody),
            Asking(district, self.DIRECTOR).get("plans", f"/v1/students/{id_of('ana')}/plan/versions/99"),
            Asking(district, CALLERS["district admin"]).get("plans", ana),
            Asking(district, CALLERS["counselor of another school"]).get("plans", ana),
            Asking(district, CALLERS["integrator"]).get("plans", ana),
        ]

        assert {answer.status for answer in refused} == {404}
        assert self.logged(district, "plans") == 0

    @pytest.mark.parametrize("name", ["student", "guardian", "counselor", "teacher", "case manager"])
    def test_is_no_row_for_the_family_and_the_schools_staff(self, district: District, name: str) -> None:
        assert Asking(district, CALLERS[name]).get("plans", f"/v1/students/{id_of('ana')}/plan").status == 200
        assert self.logged(district, "plans") == 0

    def test_is_kept_with_the_answer_or_there_is_none(
        self, district: District, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("the log cannot be written")

        monkeypatch.setattr("shared.web.app.disclose", fail)
        answer = Asking(district, self.DIRECTOR).get("plans", f"/v1/students/{id_of('ana')}/plan")

        assert answer.status == 500
        assert b"courses" not in answer.body
