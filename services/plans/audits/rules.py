"""
The audit: what a plan's courses do for graduation, line by line, in words its student understands.

Which course counts where:
    - A course counts once, in one line, with all its credits. A rule set's `disjoint_from`
      says the same about two lines and is therefore always kept.
    - Courses that fit several lines go where they leave the fewest credits missing
      (audits/allotment.py). What no line needs counts toward the total alone.
    - A planned course that is no longer offered counts nowhere; a taken one keeps its credits.
    - A broken prerequisite does not take credits away, but the plan is not on track until repaired.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from services.plans.audits import sentences
from services.plans.audits.allotment import LineState, allot
from services.plans.audits.lines import Line, Option, Rulebook, in_credits
from services.plans.audits.placements import Placement, Timeline, in_order
from services.plans.catalog.rules import Catalog, Course, plain
from shared.events.plans import Standing, UnmetRequirement

TOTAL = "total_credits"
FindingKind = Literal["prerequisite", "corequisite", "not_offered", "grade_level", "term", "repeat"]


@dataclass(frozen=True, slots=True)
class LineResult:
    """One requirement: what counts in it and what is still needed. `missing` are codes, one group per named course."""

    id: str
    title: str
    is_met: bool
    needed: Decimal
    counted: tuple[Placement, ...]
    counted_credits: Decimal
    short_by: Decimal
    missing: tuple[tuple[str, ...], ...]
    missing_titles: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with one planned course, apart from what it counts for."""

    id: str
    kind: FindingKind
    code: str
    title: str
    missing_titles: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class Audit:
    """The whole answer for one plan. `line_of` tells in which line a placement counts; electives are not in it."""

    requirement_set: str
    title: str
    unit: str
    credits_planned: Decimal
    credits_required: Decimal
    lines: tuple[LineResult, ...]
    findings: tuple[Finding, ...]
    reminders: tuple[str, ...]
    line_of: Mapping[Placement, str]
    summary: str

    @property
    def unmet(self) -> tuple[UnmetRequirement, ...]:
        lines = [
            UnmetRequirement(id=line.id, title=line.title, short_by=line.short_by, missing=line.missing_titles)
            for line in self.lines
            if not line.is_met
        ]
        findings = [
            UnmetRequirement(id=each.id, title=each.title, short_by=Decimal(0), missing=each.missing_titles)
            for each in self.findings
        ]
        return (*lines, *findings)


def audit(placements: Iterable[Placement], book: Rulebook | None, catalog: Catalog) -> Audit:
    """
    Check a plan against a rule set.

    Args:
        placements: The plan's courses, any order.
        book: The rule set compiled against `catalog`; None if no rules are known, then nothing is required.
        catalog: The facts about the courses.
    """
    ordered = in_order(placements)
    counting, findings = _that_count(ordered, catalog)
    findings += _order_findings(ordered, catalog)
    lines: tuple[LineResult, ...] = ()
    line_of: dict[Placement, str] = {}
    planned = plain(sum((catalog.courses[each.code].credits for each in counting), Decimal(0)))
    if book is not None:
        lines, line_of = _results(counting, book)
        lines += (_total(planned, book),)
    distinct = tuple({finding.id: finding for finding in findings}.values())
    return Audit(
        requirement_set=book.rules.key if book else "",
        title=book.rules.title if book else "",
        unit=book.rules.unit if book else "credit",
        credits_planned=planned,
        credits_required=plain(book.rules.total) if book else Decimal(0),
        lines=lines,
        findings=distinct,
        reminders=_reminders(ordered, catalog),
        line_of=line_of,
        summary=_summary(book, lines, distinct),
    )


def standing(now: Audit, *, before: Mapping[str, str]) -> Standing:
    """
    The audit in short, with what flipped.

    Args:
        now: The audit of the plan as it is.
        before: Titles by id of what was unmet in the previous audit.
    """
    unmet = now.unmet
    open_now = {each.id for each in unmet}
    known = {line.id for line in now.lines}
    repaired = [title for id, title in before.items() if id not in open_now and (id in known or is_finding(id))]
    return Standing(
        requirement_set=now.requirement_set,
        on_track=not unmet,
        credits_planned=now.credits_planned,
        credits_required=now.credits_required,
        unmet=unmet,
        became_unmet=tuple(each for each in unmet if each.id not in before),
        became_met=tuple(repaired),
    )


def is_finding(id: str) -> bool:
    """Findings are about one course, `<kind>:<code>`; a requirement's id has no colon."""
    return ":" in id


def _that_count(ordered: Sequence[Placement], catalog: Catalog) -> tuple[list[Placement], list[Finding]]:
    """Placements that give credit, taken ones first where a course may not count as often as it is there."""
    times: dict[str, int] = {}
    counting: list[Placement] = []
    findings: list[Finding] = []
    for placement in sorted(ordered, key=lambda each: each.state != "taken"):
        course = catalog.courses.get(placement.code)
        if course is None or (course.is_retired and placement.state == "planned"):
            title = catalog.title(placement.code)
            findings.append(_finding("not_offered", placement, title, sentences.not_offered(title)))
            continue
        times[course.code] = times.get(course.code, 0) + 1
        if times[course.code] > course.repeatable:
            sentence = sentences.repeated(course.title, course.repeatable)
            findings.append(_finding("repeat", placement, course.title, sentence))
            continue
        counting.append(placement)
    return counting, findings


def _order_findings(ordered: Sequence[Placement], catalog: Catalog) -> list[Finding]:
    """What is wrong with where planned courses stand. What was taken, was taken."""
    timeline = Timeline.of(ordered)
    findings: list[Finding] = []
    for placement in ordered:
        course = catalog.courses.get(placement.code)
        if course is not None and placement.state == "planned" and not course.is_retired:
            findings += _place_findings(placement, course, timeline, catalog)
    return findings


def _place_findings(placement: Placement, course: Course, timeline: Timeline, catalog: Catalog) -> list[Finding]:
    found: list[Finding] = []
    title, grade, term = course.title, placement.grade, placement.term
    if grade not in course.grades:
        found.append(_finding("grade_level", placement, title, sentences.wrong_grade(title, grade, course.grades)))
    if course.terms and term not in course.terms:
        found.append(_finding("term", placement, title, sentences.wrong_term(title, course.terms)))
    for group in timeline.missing_before(placement, course) if course.prerequisites else ():
        titles = catalog.titles(group)
        sentence = sentences.prerequisite(title, grade, term, titles)
        found.append(_finding("prerequisite", placement, title, sentence, titles))
    for group in timeline.missing_beside(placement, course) if course.corequisites else ():
        titles = catalog.titles(group)
        found.append(
            _finding("corequisite", placement, title, sentences.corequisite(title, grade, term, titles), titles)
        )
    return found


def _finding(
    kind: FindingKind, placement: Placement, title: str, sentence: str, missing: Sequence[str] = ()
) -> Finding:
    named = (" / ".join(missing),) if missing else ()
    return Finding(f"{kind}:{placement.code}", kind, placement.code, title, named, sentence)


def _results(counting: Sequence[Placement], book: Rulebook) -> tuple[tuple[LineResult, ...], dict[Placement, str]]:
    allotment = allot(book, [placement.code for placement in counting])
    counted: list[list[Placement]] = [[] for _ in book.lines]
    line_of: dict[Placement, str] = {}
    for placement, number in zip(counting, allotment.line_of, strict=True):
        if number is not None:
            counted[number].append(placement)
            line_of[placement] = book.lines[number].id
    held = {placement.code for placement in counting}
    results = [
        _result(line, allotment.options[number], allotment.states[number], in_order(counted[number]), held, book)
        for number, line in enumerate(book.lines)
    ]
    return tuple(results), line_of


def _result(
    line: Line, option: Option, state: LineState, counted: tuple[Placement, ...], held: set[str], book: Rulebook
) -> LineResult:
    if not counted and len(line.options) > 1 and option.need:
        return _untouched(line, held, book)
    short_by = max((remaining for remaining, _ in state), default=0)
    missing = tuple(
        slot
        for part, (_, empty) in zip(option.parts, state, strict=True)
        for bit, slot in enumerate(part.slots)
        if empty >> bit & 1
    )
    choices = _choices(option, state, held, book.catalog) if short_by and not missing else []
    sentence = _sentence(line, short_by, missing, choices, counted, book)
    titles = [" / ".join(book.catalog.titles(slot)) for slot in missing]
    if 0 < len(choices) <= sentences.MOST_CHOICES:
        titles.append(" / ".join(book.catalog.titles(choices)))
    return LineResult(
        id=line.id,
        title=line.title,
        is_met=not short_by and not missing,
        needed=in_credits(option.need),
        counted=counted,
        counted_credits=in_credits(sum(book.credits[each.code] for each in counted)),
        short_by=in_credits(short_by),
        missing=missing or ((tuple(choices),) if titles else ()),
        missing_titles=tuple(titles),
        sentence=sentence,
    )


def _untouched(line: Line, held: set[str], book: Rulebook) -> LineResult:
    """A line that nothing counts in and that can be met in several ways: none of them is the student's yet."""
    firsts = [_choices(option, option.start, held, book.catalog)[:1] for option in line.options]
    beginnings = list(dict.fromkeys(code for first in firsts for code in first))[: sentences.EXAMPLES]
    needed = in_credits(line.need)
    if beginnings:
        sentence = sentences.several_ways(line.title, book.catalog.titles(beginnings))
    else:
        sentence = sentences.cannot_be_met(line.title, needed, book.rules.unit)
    return LineResult(
        id=line.id,
        title=line.title,
        is_met=False,
        needed=needed,
        counted=(),
        counted_credits=Decimal(0),
        short_by=needed,
        missing=(),
        missing_titles=(),
        sentence=sentence,
    )


def _choices(option: Option, state: LineState, held: set[str], catalog: Catalog) -> list[str]:
    """Offered courses that would bring what is missing, those whose prerequisites are in the plan first."""
    fitting: dict[str, None] = {}
    for part, (remaining, empty) in zip(option.parts, state, strict=True):
        if remaining:
            fitting.update(dict.fromkeys(code for code in part.offered if code not in held))
        for bit, slot in enumerate(part.slots):
            if empty >> bit & 1:
                fitting.update(dict.fromkeys(code for code in slot if catalog.is_offered(code) and code not in held))
    if len(fitting) <= 1:
        return list(fitting)

    def is_later(code: str) -> bool:
        return any(held.isdisjoint(group) for group in catalog.courses[code].prerequisites)

    return sorted(fitting, key=is_later)


def _sentence(
    line: Line,
    short_by: int,
    missing: Sequence[tuple[str, ...]],
    choices: Sequence[str],
    counted: Sequence[Placement],
    book: Rulebook,
) -> str:
    catalog, unit, credits = book.catalog, book.rules.unit, in_credits(short_by)
    if not short_by and not missing:
        return sentences.met(line.title, [catalog.title(each.code) for each in counted])
    if missing:
        if not all(any(map(catalog.is_offered, slot)) for slot in missing):
            return sentences.cannot_be_met(line.title, Decimal(0), unit)
        if len(missing) > 1 or not short_by or _least(missing[0], book) < short_by:
            named = [sentences.either(catalog.titles(slot)) for slot in missing]
            if not short_by:
                return sentences.named_missing(line.title, named)
            return sentences.named_and_credits_missing(line.title, credits, unit, named)
        choices = missing[0]
    elif (lacking := short_by - sum(book.credits[code] * catalog.courses[code].repeatable for code in choices)) > 0:
        return sentences.cannot_be_met(line.title, in_credits(lacking), unit)
    enough = _least(choices, book) >= short_by
    return sentences.choose_from(line.title, credits, unit, catalog.titles(choices), one_is_enough=enough)


def _least(codes: Sequence[str], book: Rulebook) -> int:
    """What the smallest of these courses that is on offer is worth."""
    return min(book.credits[code] for code in codes if book.catalog.is_offered(code))


def _total(planned: Decimal, book: Rulebook) -> LineResult:
    required, unit = plain(book.rules.total), book.rules.unit
    is_met = planned >= required
    say = sentences.total_met if is_met else sentences.total_short
    return LineResult(
        id=TOTAL,
        title="Total credits",
        is_met=is_met,
        needed=required,
        counted=(),
        counted_credits=planned,
        short_by=plain(max(Decimal(0), required - planned)),
        missing=(),
        missing_titles=(),
        sentence=say(planned, required, unit),
    )


def _reminders(ordered: Sequence[Placement], catalog: Catalog) -> tuple[str, ...]:
    """Letter grades that planned courses ask for: a plan holds no grades, so it can only remind."""
    said = [
        sentences.minimum_grade(course.title, rule.grade, catalog.titles(rule.codes))
        for placement in ordered
        if placement.state == "planned" and (course := catalog.courses.get(placement.code)) is not None
        for rule in course.minimum_grades
    ]
    return tuple(dict.fromkeys(said))


def _summary(book: Rulebook | None, lines: Sequence[LineResult], findings: Sequence[Finding]) -> str:
    if book is None:
        return sentences.no_rules()
    still_open = [each.sentence for each in findings] + [line.sentence for line in lines if not line.is_met]
    if not still_open:
        return sentences.on_track(book.rules.title)
    return sentences.off_track(still_open[0], len(still_open))
