"""
Every sentence an audit says, for a reader of fourteen: short, in the second person, naming the next step.

The one module with such text, so that another language is another module like this one.
"""

from collections.abc import Sequence
from decimal import Decimal

from services.plans.catalog.rules import plain
from shared.events.plans import Term

TERMS: dict[Term, str] = {"S1": "first semester", "S2": "second semester", "YEAR": "all year"}
# More titles than this are not a choice any more, they are a list.
MOST_CHOICES = 4
EXAMPLES = 3


def amount(credits: Decimal, unit: str) -> str:
    return f"{credits:f} {unit}" if 0 < credits <= 1 else f"{credits:f} {unit}s"


def either(titles: Sequence[str]) -> str:
    """`A`, `A or B`, `A, B or C`."""
    return _joined(titles, "or")


def both(titles: Sequence[str]) -> str:
    return _joined(titles, "and")


def met(title: str, courses: Sequence[str]) -> str:
    return f"{title} is done: {both(courses)}." if courses else f"{title} is done."


def choose_from(title: str, short_by: Decimal, unit: str, choices: Sequence[str], *, one_is_enough: bool) -> str:
    """Credits are missing and any of the choices would bring some."""
    needs = f"You still need {amount(short_by, unit)} of {title}"
    if len(choices) > MOST_CHOICES:
        return f"{needs}: for example {either(choices[:EXAMPLES])}."
    return f"{needs}: {either(choices)} would do." if one_is_enough else f"{needs}: choose from {both(choices)}."


def named_missing(title: str, missing: Sequence[str]) -> str:
    """Enough credits, but these named courses are not among them; each is already an `either`."""
    return f"For {title} you still need {_listed(missing)}."


def named_and_credits_missing(title: str, short_by: Decimal, unit: str, missing: Sequence[str]) -> str:
    return f"You still need {amount(short_by, unit)} of {title}, including {_listed(missing)}."


def several_ways(title: str, beginnings: Sequence[str]) -> str:
    """Nothing counts yet and there are different ways to meet the line; `beginnings` are first courses of some."""
    return f"There are several ways to meet {title}. You could begin with {either(beginnings)}."


def cannot_be_met(title: str, short_by: Decimal, unit: str) -> str:
    """The catalog does not offer enough for this line: not the student's to repair."""
    more = f"{amount(short_by, unit)} more" if short_by else "a course"
    return f"{title} asks for {more} that your school does not offer. Ask your counselor what counts instead."


def total_met(planned: Decimal, required: Decimal, unit: str) -> str:
    return f"You have {amount(planned, unit)} of the {required:f} you need to graduate."


def total_short(planned: Decimal, required: Decimal, unit: str) -> str:
    short_by = plain(required - planned)
    return f"You have {amount(planned, unit)} and need {required:f}: add {amount(short_by, unit)} more of any courses."


def prerequisite(title: str, grade: int, term: Term, choices: Sequence[str]) -> str:
    return (
        f"{title} in grade {grade} ({TERMS[term]}) needs {either(choices)} before it. "
        f"Add that earlier, or move {title} later."
    )


def corequisite(title: str, grade: int, term: Term, choices: Sequence[str]) -> str:
    return (
        f"{title} in grade {grade} ({TERMS[term]}) goes together with {either(choices)}. Add it earlier or beside it."
    )


def not_offered(title: str) -> str:
    return f"{title} is no longer offered, so it does not count. Choose another course in its place."


def wrong_grade(title: str, grade: int, grades: Sequence[int]) -> str:
    return f"{title} is not open to grade {grade}, only to {grades_of(grades)}. Move it."


def wrong_term(title: str, terms: Sequence[Term]) -> str:
    return f"{title} is only offered in the {either([TERMS[term] for term in terms])}. Move it."


def repeated(title: str, times: int) -> str:
    counts = "once" if times == 1 else f"{times} times"
    return f"{title} counts only {counts}. The extra one gives you no credit."


def minimum_grade(title: str, letter: str, choices: Sequence[str]) -> str:
    return f"To take {title} you need at least a {letter} in {either(choices)}."


def no_rules() -> str:
    return "Your school has not loaded its graduation rules yet, so this plan cannot be checked."


def on_track(rules: str) -> str:
    return f"You are on track: your plan meets everything in {rules}."


def off_track(first: str, count: int) -> str:
    """The summary: how much is open, and what to look at first."""
    things = "1 thing is" if count == 1 else f"{count} things are"
    return f"{things} still open in your plan. First: {first}"


def grades_of(grades: Sequence[int]) -> str:
    return ("grade " if len(grades) == 1 else "grades ") + both([str(grade) for grade in grades])


def _joined(titles: Sequence[str], word: str) -> str:
    if len(titles) <= 1:
        return "".join(titles)
    return f"{', '.join(titles[:-1])} {word} {titles[-1]}"


def _listed(choices: Sequence[str]) -> str:
    """Every one of these; each may itself be a choice, so commas would not be enough."""
    return "; ".join(choices[:-1]) + "; and " + choices[-1] if len(choices) > 1 else "".join(choices)
