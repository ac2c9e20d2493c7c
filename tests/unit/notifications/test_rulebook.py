"""Rules are data: what they may say, and that the shipped ones can be followed."""

import pytest

from services.notifications.rules.handlers import shipped_rulebook
from services.notifications.rules.rules import RulebookInvalid, read_rulebook
from services.notifications.worker import NotificationsService
from tests.unit.notifications.stage import ENGLISH, flipped, revised


def rulebook(rule: str) -> str:
    return f"rules:\n  - {rule}\n"


class TestShippedRules:
    def test_the_worker_reacts_to_every_event_they_name(self) -> None:
        assert shipped_rulebook().event_types <= set(NotificationsService.reactions())

    def test_a_flip_leads_to_opening_or_closing_and_never_to_both(self) -> None:
        book = shipped_rulebook()

        [opening] = book.matching(flipped(unmet=(ENGLISH,)))
        [closing] = book.matching(flipped(unmet=()))

        assert opening.tasks[0].open == "plan_off_track"
        assert closing.tasks[0].close == "plan_off_track"

    def test_a_revision_without_course_changes_tells_nobody(self) -> None:
        assert shipped_rulebook().matching(revised().model_copy(update={"changes": ()})) == []


class TestReadRulebook:
    @pytest.mark.parametrize(
        ("rule", "complaint"),
        [
            ("{event: plans.plan.revized.v1, notices: [{template: hello, to: student}]}", "no event about a student"),
            ("{event: catalog.course.changed.v1, notices: [{template: hello, to: student}]}", "no event about"),
            ("{event: plans.plan.revised.v1, notices: [{template: nope, to: student}]}", "no template 'nope'"),
            ("{event: plans.plan.revised.v1}", "nothing follows"),
            ("{event: plans.plan.revised.v1, notices: [{template: hello, to: everybody}]}", "notices.0.to"),
            ("{event: plans.plan.revised.v1, notices: [{template: hello, to: student, channels: []}]}", "channels"),
            ("{event: plans.plan.revised.v1, notices: [{template: hello, to: student, colour: red}]}", "colour"),
            (
                "{event: plans.plan.revised.v1, when: [{path: standing.unmett, is: empty}], "
                "notices: [{template: hello, to: student}]}",
                "no field standing.unmett",
            ),
            (
                "{event: plans.plan.revised.v1, when: [{path: version}], notices: [{template: hello, to: student}]}",
                "exactly one of",
            ),
            ("{event: plans.plan.revised.v1, tasks: [{open: review_plan, about: version}]}", "no id version"),
            ("{event: plans.plan.revised.v1, tasks: [{close: review_plan, about: plan_id}]}", "`close` needs it"),
            ("{event: plans.plan.revised.v1, tasks: [{about: plan_id}]}", "either `open` or `close`"),
            ("{event: [unclosed", "expected"),
        ],
    )
    def test_refuses_what_cannot_be_followed_and_says_why(self, rule: str, complaint: str) -> None:
        with pytest.raises(RulebookInvalid) as refusal:
            read_rulebook(rulebook(rule), templates={"hello"})

        assert complaint in str(refusal.value)

    def test_conditions_compare_values(self) -> None:
        rule = (
            "{event: plans.audit.flipped.v1, when: [{path: cause, one_of: [catalog, requirements]}, "
            "{path: standing.on_track, equals: false}], notices: [{template: hello, to: counselor}]}"
        )
        book = read_rulebook(rulebook(rule), templates={"hello"})

        assert len(book.matching(flipped(cause="catalog"))) == 1
        assert book.matching(flipped(cause="plan")) == []
        assert book.matching(flipped(cause="catalog", unmet=())) == []
