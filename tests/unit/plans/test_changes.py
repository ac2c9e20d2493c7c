from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.plans.audits.placements import Placement
from services.plans.plans.rules import (
    CLUSTERS,
    AddCourse,
    AlreadyPlanned,
    Change,
    ClusterUnknown,
    CourseUnknown,
    CreditLimitExceeded,
    DropCourse,
    EmptyChange,
    Limits,
    MoveCourse,
    NotInPlan,
    PlaceAmbiguous,
    PrerequisiteNotMet,
    TakenCourseFixed,
    TermNotOffered,
    WrongGradeLevel,
    apply_changes,
    check_cluster,
)
from shared.events.plans import CourseChange
from shared.problems import Problem
from tests.unit.plans.school import COURSES, catalog, changed, placements

STAFF = Limits(may_record_taken=True)


class TestApplyChanges:
    def test_adds_drops_and_moves_and_says_what_it_did(self) -> None:
        result = changed(
            "EN9 9, MA1 9, SC1 9",
            AddCourse("EN10", 10),
            DropCourse("SC1"),
            MoveCourse("MA1", 10, "S1"),
        )

        assert result.placements == placements("EN9 9, EN10 10, MA1 10 S1")
        assert [(each.kind, each.code, each.grade, each.term) for each in result.changes] == [
            ("dropped", "SC1", 9, "YEAR"),
            ("moved", "MA1", 10, "S1"),
            ("added", "EN10", 10, "YEAR"),
        ]
        assert (result.changes[1].from_grade, result.changes[1].from_term) == (9, "YEAR")
        assert result.changes[0].credits == 1

    def test_the_order_of_the_list_does_not_matter(self) -> None:
        adds: list[Change] = [AddCourse("EN11", 11), AddCourse("EN10", 10), AddCourse("EN9", 9)]

        assert changed("", *adds).placements == changed("", *reversed(adds)).placements

    def test_a_course_may_be_dropped_and_added_elsewhere_in_one_list(self) -> None:
        assert changed("MA1 9", AddCourse("MA1", 10), DropCourse("MA1")).placements == placements("MA1 10")

    def test_puts_a_course_where_it_usually_is_when_no_term_is_named(self) -> None:
        assert changed("", AddCourse("SP1", 9)).placements == placements("SP1 9 S1")
        assert changed("", AddCourse("SC1", 9)).placements == placements("SC1 9")

    def test_a_repeatable_course_goes_in_again_at_another_place(self) -> None:
        assert len(changed("AR1 9 S1", AddCourse("AR1", 10, "S1")).placements) == 2

    def test_a_prerequisite_may_be_dropped_or_moved_from_under_its_dependents(self) -> None:
        assert changed("MA1 9, MA2 10", DropCourse("MA1")).placements == placements("MA2 10")
        assert changed("MA1 9, MA2 10", MoveCourse("MA1", 11, None)).placements == placements("MA2 10, MA1 11")

    def test_an_overfull_grade_may_still_be_thinned_out(self) -> None:
        small = Limits(credits_per_grade=Decimal(1))

        assert changed("SC1 9, SO1 9, MA1 9", DropCourse("MA1"), limits=small).placements == placements("SC1 9, SO1 9")

    def test_staff_record_what_was_taken_and_correct_it(self) -> None:
        taken = changed("", AddCourse("MA2", 8, "YEAR", "taken"), limits=STAFF).placements

        assert taken == placements("MA2 8 taken")
        assert changed("MA2 8 taken", DropCourse("MA2"), limits=STAFF).placements == ()


class TestRefusals:
    @pytest.mark.parametrize(
        ("plan", "change", "problem", "detail"),
        [
            ("", AddCourse("EN8", 9), CourseUnknown, "No course has the code 'EN8'. Did you mean English 9 (EN9)"),
            ("", AddCourse("biolgy", 9), CourseUnknown, "Did you mean Biology (SC1)?"),
            ("", AddCourse("OLD", 9), CourseUnknown, "Typing (OLD) is no longer offered."),
            ("", AddCourse("EN10", 10), PrerequisiteNotMet, "English 10 (EN10) in grade 10 YEAR needs English 9 (EN9)"),
            ("MA1 9", AddCourse("MA2", 9), PrerequisiteNotMet, "needs Algebra I (MA1), finished before it"),
            (
                "MA1 9, MA2 10",
                MoveCourse("MA2", 9, "S2"),
                PrerequisiteNotMet,
                "or put Geometry later",
            ),
            ("", AddCourse("MA3", 9, "S1"), PrerequisiteNotMet, "begun before or together with it"),
            ("EN9 9", AddCourse("EN9", 9), AlreadyPlanned, "English 9 (EN9) is already in grade 9 YEAR."),
            ("AR1 9 S1", AddCourse("AR1", 9, "S1"), AlreadyPlanned, "already in grade 9 S1"),
            ("AR1 9 S1, AR1 9 S2", AddCourse("AR1", 10, "S1"), AlreadyPlanned, "grade 9 S1, grade 9 S2"),
            ("", DropCourse("EN9"), NotInPlan, "It is nowhere in the plan."),
            ("EN9 9", DropCourse("EN9", 10), NotInPlan, "It is in grade 9 YEAR."),
            ("", DropCourse("XX"), CourseUnknown, "No course has the code 'XX'."),
            ("AR1 9 S1, AR1 10 S1", DropCourse("AR1"), PlaceAmbiguous, "grade 9 S1, grade 10 S1: name grade and term"),
            ("", AddCourse("EN9", 10), WrongGradeLevel, "open to grade 9, not to grade 10"),
            ("", AddCourse("SP1", 9, "YEAR"), TermNotOffered, "offered in S1, S2, not in YEAR"),
            ("MA1 9 taken", DropCourse("MA1"), TakenCourseFixed, "was taken in grade 9 YEAR"),
            ("MA1 9 taken", MoveCourse("MA1", 10, None), TakenCourseFixed, "Ask your counselor"),
            ("", AddCourse("MA1", 9, None, "taken"), TakenCourseFixed, "your counselor records"),
            ("MA1 9", MoveCourse("MA1", 9, None), EmptyChange, "already in grade 9 YEAR"),
        ],
    )
    def test_says_what_is_wrong_and_what_would_be_right(
        self, plan: str, change: Change, problem: type[Problem], detail: str
    ) -> None:
        with pytest.raises(problem) as refused:
            changed(plan, change)

        assert detail in refused.value.detail
        assert refused.value.status == 422

    def test_a_list_that_comes_to_nothing_is_refused(self) -> None:
        with pytest.raises(EmptyChange):
            changed("MA1 9", DropCourse("MA1"), AddCourse("MA1", 9))
        with pytest.raises(EmptyChange):
            changed("MA1 9")

    def test_a_grade_takes_only_so_many_credits(self) -> None:
        limits = Limits(credits_per_grade=Decimal("2.5"))

        with pytest.raises(CreditLimitExceeded) as refused:
            changed("SC1 9, SO1 9", AddCourse("MA1", 9), limits=limits)

        assert refused.value.detail.startswith("Grade 9 would have 3 credits; at most 2.5 fit. Drop 0.5")

    def test_one_bad_change_refuses_the_whole_list(self) -> None:
        with pytest.raises(CourseUnknown):
            changed("", AddCourse("EN9", 9), AddCourse("nonsense", 9))

    def test_near_matches_come_with_the_problem(self) -> None:
        with pytest.raises(CourseUnknown) as refused:
            changed("", AddCourse("SP3", 9))

        assert {"code": "SP1", "title": "Speech"} in refused.value.members["near"]


class TestClusters:
    def test_there_are_sixteen(self) -> None:
        assert len(set(CLUSTERS)) == 16

    def test_an_unknown_one_is_refused_with_the_list(self) -> None:
        with pytest.raises(ClusterUnknown) as refused:
            check_cluster("Magic")

        assert refused.value.members["clusters"] == list(CLUSTERS)


# A busy machine is no failure.
unhurried = settings(deadline=None)
FREE = [each.code for each in COURSES if not (each.prerequisites or each.corequisites or each.is_retired)]


@st.composite
def plans_and_changes(draw: st.DrawFn) -> tuple[list[Placement], list[Change]]:
    """A plan of courses without prerequisites, and drops, moves and additions that can be carried out."""
    known = catalog().courses
    codes = draw(st.lists(st.sampled_from(FREE), unique=True, min_size=1))
    places = {code: (draw(st.sampled_from(known[code].grades)), known[code].usual_term) for code in codes}
    planned = codes[: draw(st.integers(0, len(codes)))]
    changes: list[Change] = [AddCourse(code, *places[code]) for code in codes[len(planned) :]]
    for code in planned:
        match draw(st.sampled_from(["keep", "drop", "move"])):
            case "drop":
                changes.append(DropCourse(code))
            case "move":
                changes.append(MoveCourse(code, draw(st.sampled_from(known[code].grades)), None))
    return [Placement(code, *places[code]) for code in planned], draw(st.permutations(changes))


def inverse(change: CourseChange) -> Change:
    match change.kind:
        case "added":
            return DropCourse(change.code, change.grade, change.term)
        case "dropped":
            return AddCourse(change.code, change.grade, change.term)
        case _:
            return MoveCourse(change.code, change.from_grade, change.from_term, change.grade, change.term)


class TestProperties:
    @unhurried
    @given(plans_and_changes())
    def test_a_change_and_its_inverse_leave_the_plan_as_it_was(self, case: Any) -> None:
        plan, changes = case
        roomy = Limits(credits_per_grade=Decimal(99))
        try:
            there = apply_changes(plan, changes, catalog(), roomy)
        except EmptyChange:
            return

        back = apply_changes(there.placements, [inverse(each) for each in there.changes], catalog(), roomy)

        assert set(back.placements) == set(plan)
        assert len(there.changes) == len(changes)
