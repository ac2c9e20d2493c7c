from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.plans.audits.allotment import allot
from services.plans.audits.lines import Rulebook
from services.plans.audits.placements import Placement
from services.plans.audits.rules import TOTAL, audit, standing
from tests.unit.plans.school import COURSES, Line, audited, book, catalog, course, line, placements


class TestWhatCounts:
    def test_a_named_course_and_enough_credits_meet_a_line(self) -> None:
        found = audited("EN9 9, EN10 10, EN11 11")

        assert line(found, "english").is_met
        assert line(found, "english").sentence == "English is done: English 9, English 10 and English 11."

    @pytest.mark.parametrize(
        ("plan", "met"),
        [
            # Speech fits English too, but English has enough without it.
            ("EN9 9, EN10 10, EN11 11, SP1 9 S1", {"english", "speech"}),
            # One of the two fills the half credit English lacks only if the other is left for speech.
            ("EN9 9, EN10 10, SP1 9 S1, DE1 9 S2", {"speech"}),
            # Economics is the only thing for social studies, so finance takes Personal Finance.
            ("SO1 9, SO2 11 S1, EN9 9, BU1 10 S1", {"social", "finance"}),
            # First-fit by the rule set's order would give Economics to social studies and leave finance open.
            ("SO1 9, SO2 11 S1", {"finance"}),
        ],
    )
    def test_contested_courses_go_where_fewest_credits_stay_missing(self, plan: str, met: set[str]) -> None:
        found = audited(plan)

        assert {each.id for each in found.lines if each.is_met} == met

    def test_a_course_that_no_line_needs_is_an_elective(self) -> None:
        found = audited("MA1 9, MA2 10, MA3 11 S1")

        assert found.line_of == {
            Placement("MA1", 9, "YEAR"): "math",
            Placement("MA2", 10, "YEAR"): "math",
        }
        assert found.credits_planned == Decimal("2.5")

    def test_a_retired_course_counts_only_if_it_was_taken(self) -> None:
        assert audited("OLD 9 taken").credits_planned == 1
        planned = audited("OLD 9")
        assert planned.credits_planned == 0
        assert [each.id for each in planned.findings] == ["not_offered:OLD"]

    def test_a_course_counts_as_often_as_it_may_be_repeated(self) -> None:
        found = audited("AR1 9 S1, AR1 10 S1, AR1 11 S1")

        assert found.credits_planned == 1
        assert [each.kind for each in found.findings] == ["repeat"]

    def test_without_rules_nothing_is_required(self) -> None:
        found = audit(placements("EN9 9"), None, catalog())

        assert (found.lines, found.unmet, found.credits_planned) == ((), (), 1)
        assert "has not loaded its graduation rules" in found.summary


class TestWhatIsMissing:
    @pytest.mark.parametrize(
        ("plan", "id", "sentence"),
        [
            ("", "speech", "You still need 0.5 credit of Speech: Debate or Speech would do."),
            (
                "EN9 9",
                "english",
                "You still need 2 credits of English: choose from Debate, Speech, English 10 and English 11.",
            ),
            (
                "EN10 10, EN11 11, SP1 9 S1, DE1 9 S1",
                "english",
                "You still need 1 credit of English: English 9 would do.",
            ),
            ("EN9 9, MA1 9", "math", "You still need 1 credit of Math: choose from Geometry and Statistics."),
            ("MA1 9", TOTAL, "You have 1 credit and need 8: add 7 credits more of any courses."),
        ],
    )
    def test_says_how_much_and_what_would_do(self, plan: str, id: str, sentence: str) -> None:
        assert line(audited(plan), id).sentence == sentence

    def test_names_the_course_when_only_that_is_missing(self) -> None:
        strict = {"id": "arts", "credits": 1, "departments": ["Arts", "Languages"], "one_from_each": [["AR1"]]}

        found = line(audited("SP01 9", strict), "arts")

        assert (found.short_by, found.missing) == (0, (("AR1",),))
        assert found.sentence == "For Arts you still need Art."

    def test_says_so_when_the_school_offers_nothing_for_it(self) -> None:
        found = line(audited("", {"id": "latin", "any_of": ["LA1"], "credits": 1}), "latin")

        assert "your school does not offer" in found.sentence

    def test_says_how_much_the_school_does_not_offer_when_choices_run_out(self) -> None:
        found = line(audited("", {"id": "arts", "departments": ["Arts"], "credits": 2}), "arts")

        assert found.sentence.startswith("Arts asks for 1 credit more that your school does not offer.")

    def test_names_first_steps_where_several_ways_are_open(self) -> None:
        clusters = {"id": "cte", "title": "CTE", "clusters": {"A": ["SC1", "SC2"], "B": ["BU1", "SO2"]}}

        assert line(audited("", clusters), "cte").sentence == (
            "There are several ways to meet CTE. You could begin with Biology or Economics."
        )
        assert line(audited("SC1 9", clusters), "cte").sentence == "For CTE you still need Chemistry."

    def test_every_unmet_line_and_finding_is_in_the_standing(self) -> None:
        now = standing(audited("EN10 10, EN11 11, SP1 9 S1, DE1 9 S1"), before={})

        assert not now.on_track
        english = next(each for each in now.unmet if each.id == "english")
        assert (english.short_by, english.missing) == (Decimal(1), ("English 9",))
        assert "prerequisite:EN10" in {each.id for each in now.unmet}


class TestOtherWaysToMeetALine:
    def test_credits_of_one_language_only(self) -> None:
        languages = {"id": "language", "departments": ["Languages"], "credits": 2, "same_language": True}

        assert not line(audited("SP01 9, FR01 9", languages), "language").is_met
        assert line(audited("SP01 9, SP02 10, FR01 9", languages), "language").is_met

    def test_a_whole_cluster_or_credits_in_one(self) -> None:
        clusters = {
            "id": "cte",
            "clusters": {"Science": ["SC1", "SC2"], "Business": ["BU1", "SO2", "MA1"]},
            "cluster_credits": "1.5",
        }

        assert line(audited("SC1 9, SC2 10", clusters), "cte").is_met
        assert line(audited("MA1 9, BU1 10 S1", clusters), "cte").is_met
        assert not line(audited("SC1 9, BU1 10 S1", clusters), "cte").is_met

    def test_any_alternative_beside_the_lines_own_condition(self) -> None:
        either = {
            "id": "extra",
            "credits": 1,
            "departments": ["Mathematics"],
            "alternatives": [
                {"id": "a", "title": "a", "all_of": ["SP01", "SP02"]},
                {"id": "b", "title": "b", "any_of": ["AR1"]},
            ],
        }

        assert line(audited("MA1 9, AR1 9 S1", either), "extra").is_met
        assert line(audited("MA1 9, SP01 9, SP02 10", either), "extra").is_met
        assert not line(audited("MA1 9, SP01 9", either), "extra").is_met
        assert not line(audited("AR1 9 S1", either), "extra").is_met

    def test_two_slots_that_one_course_fits_need_two_courses(self) -> None:
        overlapping = {"id": "pair", "one_from_each": [["MA1", "MA2"], ["MA1", "SC1"]]}

        assert not line(audited("MA1 9", overlapping), "pair").is_met
        assert line(audited("MA1 9, SC1 9", overlapping), "pair").is_met
        assert line(audited("MA1 9, MA2 10", overlapping), "pair").is_met

    def test_excluded_courses_never_fit(self) -> None:
        without = {"id": "math", "departments": ["Mathematics"], "credits": 1, "exclude": ["MA1"]}

        assert not line(audited("MA1 9", without), "math").is_met
        assert line(audited("MA1 9, MA2 10", without), "math").is_met


class TestOrder:
    @pytest.mark.parametrize(
        ("plan", "findings"),
        [
            ("MA1 9 S1, MA2 9 S2", []),
            ("MA1 9, MA2 9 S2", ["prerequisite:MA2"]),
            ("MA2 9, MA1 10", ["prerequisite:MA2"]),
            ("MA2 9", ["prerequisite:MA2"]),
            ("MA2 9 taken", []),
            ("MA1 9, MA2 10, MA3 10 S1", []),
            ("MA1 9, MA2 10, MA3 9 S2", ["corequisite:MA3"]),
            ("SO2 9 S1", ["grade_level:SO2"]),
            ("SP1 9", ["term:SP1"]),
        ],
    )
    def test_points_at_courses_that_stand_wrong(self, plan: str, findings: list[str]) -> None:
        assert [each.id for each in audited(plan).findings] == findings

    def test_what_is_both_prerequisite_and_corequisite_may_come_together(self) -> None:
        physics = course("PH", "Physics", "Science", prerequisites=(("MA2",),), corequisites=(("MA2",),))
        known = catalog(*COURSES, physics)

        assert not audited("MA1 9, MA2 10, PH 10", of=known).findings
        assert audited("MA1 9, MA2 11, PH 10", of=known).findings

    def test_reminds_of_letter_grades(self) -> None:
        assert audited("SC1 9, SC2 10").reminders == ("To take Chemistry you need at least a C in Biology.",)


class TestStanding:
    def test_tells_what_flipped_since_the_last_audit(self) -> None:
        before = {each.id: each.title for each in audited("MA1 9, MA2 10").unmet}

        now = standing(audited("MA1 9, SP1 9 S1"), before=before)

        assert [each.id for each in now.became_unmet] == ["math"]
        assert now.became_met == ("Speech",)

    def test_a_line_that_the_rules_no_longer_have_was_not_met(self) -> None:
        now = standing(audited("MA1 9"), before={"gone": "An old rule", "prerequisite:MA2": "Geometry"})

        assert now.became_met == ("Geometry",)


# A busy machine is no failure.
unhurried = settings(deadline=None)
CODES = [each.code for each in COURSES if not each.is_retired]
plans_of = st.lists(st.sampled_from(CODES), max_size=12)

# Lines over a few courses, so that they compete. Without alternatives: which is chosen may rightly change.
simple_lines = st.lists(
    st.builds(
        lambda any_of, credits, slots: {"any_of": any_of, "credits": credits, "one_from_each": slots},
        st.lists(st.sampled_from(CODES[:8]), min_size=1, max_size=5),
        st.integers(0, 3),
        st.lists(st.lists(st.sampled_from(CODES[:8]), min_size=1, max_size=2), max_size=2),
    ),
    min_size=1,
    max_size=4,
).map(lambda lines: [{"id": f"line{number}", **each} for number, each in enumerate(lines)])


class TestProperties:
    @unhurried
    @given(simple_lines, plans_of)
    def test_no_course_counts_twice_and_lines_have_what_they_claim(self, lines: list[Line], codes: list[str]) -> None:
        rulebook = book(*lines)

        found = allot(rulebook, codes)

        assert len(found.line_of) == len(codes)
        for number, option in enumerate(found.options):
            counted = [code for code, taken_by in zip(codes, found.line_of, strict=True) if taken_by == number]
            assert not set(counted) - option.codes
            remaining = max(0, option.parts[0].needed - sum(rulebook.credits[code] for code in counted))
            assert found.states[number][0][0] == remaining
            filled = bin(option.start[0][1] ^ found.states[number][0][1]).count("1")
            assert filled <= len(counted)

    @unhurried
    @given(simple_lines, plans_of, st.sampled_from(CODES))
    def test_more_courses_never_leave_more_missing(self, lines: list[Line], codes: list[str], more: str) -> None:
        rulebook = book(*lines)

        assert sum(allot(rulebook, [*codes, more]).shortages) <= sum(allot(rulebook, codes).shortages)

    @unhurried
    @given(simple_lines, plans_of, st.sampled_from(CODES[:8]))
    def test_more_courses_never_make_a_met_line_unmet(self, lines: list[Line], codes: list[str], more: str) -> None:
        """Courses of one credit each: of unequal ones, giving a big one away can rightly free a smaller line's."""
        alike = catalog(*(course(each.code, each.title, each.department) for each in COURSES))
        rulebook = book(*lines, of=alike)

        before, after = allot(rulebook, codes), allot(rulebook, [*codes, more])

        for was, now in zip(before.shortages, after.shortages, strict=True):
            assert was or not now

    @unhurried
    @given(st.sets(st.sampled_from(CODES)), st.sampled_from(CODES))
    def test_more_courses_never_unmeet_a_line_of_a_real_shape(self, codes: set[str], more: str) -> None:
        def met(held: set[str]) -> set[str]:
            plan = [Placement(code, 12, "YEAR") for code in sorted(held)]
            known = catalog()
            return {each.id for each in audit(plan, book(), known).lines if each.is_met}

        assert met(codes) <= met(codes | {more})

    @unhurried
    @given(simple_lines, plans_of)
    def test_is_as_good_as_trying_every_way(self, lines: list[Line], codes: list[str]) -> None:
        rulebook = book(*lines[:3])
        codes = codes[:5]

        assert sum(allot(rulebook, codes).shortages) == _least_shortage(rulebook, codes)


def _least_shortage(rulebook: Rulebook, codes: list[str]) -> int:
    """By brute force: every line for every course, and within a line every slot."""
    options = [line.options[0] for line in rulebook.lines]

    def best(left: list[str], states: list[Any]) -> int:
        if not left:
            return sum(option.shortage(((state[0], state[1]),)) for option, state in zip(options, states, strict=True))
        code, rest = left[0], left[1:]
        found = [best(rest, states)]
        for number, option in enumerate(options):
            part = option.parts[0] if option.parts else None
            if part is None or code not in part.pool:
                continue
            remaining, empty = states[number]
            for fill in [0, *(1 << bit for bit, slot in enumerate(part.slots) if empty >> bit & 1 and code in slot)]:
                after = (max(0, remaining - rulebook.credits[code]), empty ^ fill)
                found.append(best(rest, [*states[:number], after, *states[number + 1 :]]))
        return min(found)

    return best(list(codes), [option.start[0] for option in options])
