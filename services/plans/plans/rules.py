"""What may be changed in a plan, and how a refusal says what would be right."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal
from uuid import UUID

from services.plans.audits.placements import Placement, State, Timeline, in_order
from services.plans.audits.sentences import grades_of
from services.plans.catalog.rules import Catalog, Course, plain
from shared.events.plans import CourseChange, Term
from shared.problems import Conflict, PreconditionFailed, Problem

Status = Literal["draft", "submitted", "approved"]

# The sixteen clusters of the National Career Clusters Framework of 2002, which O*NET's cluster pages use.
CLUSTERS = (
    "Agriculture, Food & Natural Resources",
    "Architecture & Construction",
    "Arts, Audio/Video Technology & Communications",
    "Business Management & Administration",
    "Education & Training",
    "Finance",
    "Government & Public Administration",
    "Health Science",
    "Hospitality & Tourism",
    "Human Services",
    "Information Technology",
    "Law, Public Safety, Corrections & Security",
    "Manufacturing",
    "Marketing",
    "Science, Technology, Engineering & Mathematics",
    "Transportation, Distribution & Logistics",
)


class CourseUnknown(Problem):
    """No course on offer has this code."""

    code = "course-unknown"
    status = 422


class PrerequisiteNotMet(Problem):
    """A course must come first, or beside it, and does not."""

    code = "prerequisite-not-met"
    status = 422


class CreditLimitExceeded(Problem):
    """That is more credits than fit in one grade."""

    code = "credit-limit-exceeded"
    status = 422


class AlreadyPlanned(Problem):
    """The course is in the plan as often as it may be."""

    code = "already-planned"
    status = 422


class NotInPlan(Problem):
    """The course is not in the plan there."""

    code = "not-in-plan"
    status = 422


class PlaceAmbiguous(Problem):
    """The course is in the plan more than once: say which one is meant."""

    code = "place-ambiguous"
    status = 422


class WrongGradeLevel(Problem):
    """The course is not open to this grade level."""

    code = "wrong-grade-level"
    status = 422


class TermNotOffered(Problem):
    """The course is not offered in this term."""

    code = "term-not-offered"
    status = 422


class TakenCourseFixed(Problem):
    """What was taken is on record; only a counselor or case manager can correct it."""

    code = "taken-course-fixed"
    status = 422


class EmptyChange(Problem):
    """The request would leave the plan as it is."""

    code = "empty-change"
    status = 422


class ClusterUnknown(Problem):
    """There is no career cluster of this name."""

    code = "cluster-unknown"
    status = 422


class RequirementSetUnknown(Problem):
    """There is no requirement set with this key."""

    code = "requirement-set-unknown"
    status = 422


class WrongStatus(Conflict):
    """The plan's status does not allow this."""

    code = "wrong-status"


class StalePlan(PreconditionFailed):
    """The plan has changed since you read it."""

    code = "stale-plan"


class StudentNotEnrolled(Conflict):
    """The student has left the district; the plan can be read but not changed."""

    code = "student-not-enrolled"


@dataclass(frozen=True, slots=True)
class Goal:
    """What a student works toward: a career cluster and, if already chosen, an occupation (O*NET-SOC code)."""

    cluster: str
    occupation_code: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A student's plan at one version. `requirement_set` is None while the default set applies."""

    plan_id: UUID
    student_id: UUID
    version: int = 0
    status: Status = "draft"
    placements: tuple[Placement, ...] = ()
    goal: Goal | None = None
    interests: tuple[str, ...] = ()
    requirement_set: str | None = None


@dataclass(frozen=True, slots=True)
class AddCourse:
    code: str
    grade: int
    term: Term | None = None
    state: State = "planned"


@dataclass(frozen=True, slots=True)
class DropCourse:
    """`grade` and `term` are needed only where the course is in the plan more than once."""

    code: str
    grade: int | None = None
    term: Term | None = None


@dataclass(frozen=True, slots=True)
class MoveCourse:
    """From `grade` and `term` (see DropCourse) to `to_grade` and `to_term`; what is None stays."""

    code: str
    to_grade: int | None
    to_term: Term | None
    grade: int | None = None
    term: Term | None = None


Change = AddCourse | DropCourse | MoveCourse


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds a change, apart from the catalog."""

    credits_per_grade: Decimal = Decimal(9)
    may_record_taken: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """A plan's courses after a change list, and what it came to."""

    placements: tuple[Placement, ...]
    changes: tuple[CourseChange, ...]


def apply_changes(
    placements: Iterable[Placement], changes: Sequence[Change], catalog: Catalog, limits: Limits
) -> Changed:
    """
    Carry out a change list as a whole: all of it or none.

    The order within the list does not matter: drops go first, then moves, then additions, and
    what must come before what is judged by the outcome. Added and moved courses must stand right;
    courses that lose a prerequisite by a drop or a move stay, and the audit points at them.

    Raises:
        Problem: One of those above, saying which change cannot be, and what would be right.
    """
    was = in_order(placements)
    draft = _Draft(list(was), catalog, limits)
    for kind in (DropCourse, MoveCourse, AddCourse):
        for change in changes:
            if type(change) is kind:
                draft.carry_out(change)
    after = in_order(draft.placements)
    if after == was:
        raise EmptyChange("Add, drop or move at least one course.")
    draft.check_new(after)
    _check_credits(was, after, catalog, limits)
    return Changed(after, tuple(draft.made))


def check_cluster(name: str) -> str:
    """
    Raises:
        ClusterUnknown: It is none of the sixteen; the problem lists them.
    """
    if name not in CLUSTERS:
        raise ClusterUnknown(f"{name[:80]!r} is none of the 16 career clusters.", clusters=list(CLUSTERS))
    return name


def check_submittable(plan: Plan) -> None:
    """
    Raises:
        WrongStatus: It is handed in already, or there is nothing in it.
    """
    if plan.status != "draft":
        raise WrongStatus(f"The plan is {plan.status} already; only a draft can be submitted.", status_now=plan.status)
    if not plan.placements:
        raise WrongStatus("The plan has no courses yet: add some, then submit.", status_now=plan.status)


def check_approvable(plan: Plan) -> None:
    """
    Raises:
        WrongStatus: It was not submitted since its last change.
    """
    if plan.status != "submitted":
        raise WrongStatus(f"The plan is {plan.status}; only a submitted plan can be approved.", status_now=plan.status)


@dataclass(slots=True)
class _Draft:
    """A plan's courses while a change list is carried out."""

    placements: list[Placement]
    catalog: Catalog
    limits: Limits
    made: list[CourseChange]
    placed: list[Placement]

    def __init__(self, placements: list[Placement], catalog: Catalog, limits: Limits) -> None:
        self.placements, self.catalog, self.limits = placements, catalog, limits
        self.made, self.placed = [], []

    def carry_out(self, change: Change) -> None:
        match change:
            case DropCourse():
                self._drop(change)
            case MoveCourse():
                self._move(change)
            case AddCourse():
                self._add(change)

    def _drop(self, drop: DropCourse) -> None:
        placement = self._find(drop.code, drop.grade, drop.term)
        self.placements.remove(placement)
        self._record("dropped", placement)

    def _move(self, move: MoveCourse) -> None:
        there = self._find(move.code, move.grade, move.term)
        course = self._course(move.code)
        grade = there.grade if move.to_grade is None else move.to_grade
        target = Placement(there.code, grade, move.to_term or there.term, there.state)
        if target == there:
            raise EmptyChange(f"{_name(course)} is already in {_place(there)}.")
        self.placements.remove(there)
        self._place(target, course)
        self._record("moved", target, came_from=there)

    def _add(self, add: AddCourse) -> None:
        if add.state == "taken" and not self.limits.may_record_taken:
            raise TakenCourseFixed(f"{add.code} can be added as planned; your counselor records what was taken.")
        course = self._course(add.code)
        placement = Placement(course.code, add.grade, add.term or course.usual_term, add.state)
        self._place(placement, course)
        self._record("added", placement)

    def _place(self, placement: Placement, course: Course) -> None:
        same = [each for each in self.placements if each.code == course.code]
        occupied = any((each.grade, each.term) == (placement.grade, placement.term) for each in same)
        if occupied or len(same) >= course.repeatable:
            places = ", ".join(_place(each) for each in same)
            raise AlreadyPlanned(
                f"{_name(course)} is already in {places}. Move or drop it instead.", course=course.code
            )
        self.placements.append(placement)
        self.placed.append(placement)

    def check_new(self, after: Sequence[Placement]) -> None:
        """Everything added or moved must stand where its course is offered and after what it builds on."""
        timeline = Timeline.of(after)
        for placement in after:
            if placement.state == "planned" and placement in self.placed:
                self._check_place(placement, timeline)

    def _check_place(self, placement: Placement, timeline: Timeline) -> None:
        course = self._course(placement.code)
        if placement.grade not in course.grades:
            raise WrongGradeLevel(
                f"{_name(course)} is open to {grades_of(course.grades)}, not to grade {placement.grade}.",
                course=course.code,
                grades=list(course.grades),
            )
        if course.terms and placement.term not in course.terms:
            raise TermNotOffered(
                f"{_name(course)} is offered in {_listed(course.terms)}, not in {placement.term}.",
                course=course.code,
                terms=list(course.terms),
            )
        if missing := timeline.missing_before(placement, course):
            raise self._not_met(placement, course, missing, "finished before")
        if missing := timeline.missing_beside(placement, course):
            raise self._not_met(placement, course, missing, "begun before or together with")

    def _not_met(
        self, placement: Placement, course: Course, missing: Sequence[Sequence[str]], when: str
    ) -> PrerequisiteNotMet:
        needs = " and ".join(" or ".join(f"{self.catalog.title(code)} ({code})" for code in group) for group in missing)
        return PrerequisiteNotMet(
            f"{_name(course)} in {_place(placement)} needs {needs}, {when} it. "
            f"Add that earlier, or put {course.title} later.",
            course=course.code,
            grade=placement.grade,
            term=placement.term,
            needs_one_of_each=[list(group) for group in missing],
        )

    def _course(self, code: str) -> Course:
        course = self.catalog.courses.get(code)
        if course is None or course.is_retired:
            near = self.catalog.near(course.title if course else code)
            what = f"{_name(course)} is no longer offered" if course else f"No course has the code {code[:40]!r}"
            hint = f" Did you mean {' or '.join(_name(each) for each in near)}?" if near else ""
            raise CourseUnknown(
                f"{what}.{hint}", course=code[:40], near=[{"code": each.code, "title": each.title} for each in near]
            )
        return course

    def _find(self, code: str, grade: int | None, term: Term | None) -> Placement:
        same = [each for each in self.placements if each.code == code]
        found = [each for each in same if grade in (None, each.grade) and term in (None, each.term)]
        if not found:
            if code not in self.catalog.courses:
                self._course(code)
            where = f"It is in {', '.join(map(_place, same))}." if same else "It is nowhere in the plan."
            raise NotInPlan(f"{self.catalog.title(code)} ({code}): {where}", course=code)
        if len(found) > 1:
            places = ", ".join(map(_place, found))
            raise PlaceAmbiguous(f"{self.catalog.title(code)} ({code}) is in {places}: name grade and term.")
        if found[0].state == "taken" and not self.limits.may_record_taken:
            raise TakenCourseFixed(
                f"{self.catalog.title(code)} ({code}) was taken in {_place(found[0])}. Ask your counselor.", course=code
            )
        return found[0]

    def _record(
        self, kind: Literal["added", "dropped", "moved"], at: Placement, *, came_from: Placement | None = None
    ) -> None:
        course = self.catalog.courses.get(at.code)
        self.made.append(
            CourseChange(
                kind=kind,
                code=at.code,
                title=self.catalog.title(at.code),
                credits=plain(course.credits) if course else Decimal(0),
                grade=at.grade,
                term=at.term,
                from_grade=came_from.grade if came_from else None,
                from_term=came_from.term if came_from else None,
            )
        )


def _check_credits(was: Iterable[Placement], after: Iterable[Placement], catalog: Catalog, limits: Limits) -> None:
    """Only a grade that the change made fuller is refused, so that an overfull one can be thinned out step by step."""
    before, now = _credits_by_grade(was, catalog), _credits_by_grade(after, catalog)
    for grade, total in sorted(now.items()):
        if total > limits.credits_per_grade and total > before.get(grade, 0):
            raise CreditLimitExceeded(
                f"Grade {grade} would have {plain(total):f} credits; at most {plain(limits.credits_per_grade):f} fit. "
                f"Drop {plain(total - limits.credits_per_grade):f} or use another grade.",
                grade=grade,
                credits=float(total),
                limit=float(limits.credits_per_grade),
            )


def _credits_by_grade(placements: Iterable[Placement], catalog: Catalog) -> dict[int, Decimal]:
    totals: dict[int, Decimal] = {}
    for placement in placements:
        if (course := catalog.courses.get(placement.code)) is not None:
            totals[placement.grade] = totals.get(placement.grade, Decimal(0)) + course.credits
    return totals


def _name(course: Course) -> str:
    return f"{course.title} ({course.code})"


def _place(placement: Placement) -> str:
    return f"grade {placement.grade} {placement.term}"


def _listed(values: Iterable[object]) -> str:
    return ", ".join(str(value) for value in values)
