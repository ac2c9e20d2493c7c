"""How grades, terms, credits and requirements are said in one language."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import lru_cache
from gettext import NullTranslations

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.lists import format_list
from babel.numbers import format_decimal

from shared.events.plans import CourseChange, Standing, UnmetRequirement

MAX_NAMED = 4

# Babel's plain "es" writes 0,5; families here read 0.5 in school papers.
LOCALES = {"en": "en_US", "es": "es_US"}
DEFAULT_LANGUAGE = "en"


def supported_language(tag: str) -> str:
    """The language to write in for a BCP 47 tag: `es-MX` is `es`; what we do not speak is English."""
    try:
        language = Locale.parse(tag.strip(), sep="-").language
    except (ValueError, UnknownLocaleError, TypeError):
        return DEFAULT_LANGUAGE
    return language if language in LOCALES else DEFAULT_LANGUAGE


@dataclass(frozen=True)
class Wording:
    """Phrases of one language, made from an event's values."""

    language: str
    translations: NullTranslations = field(default_factory=NullTranslations)

    @property
    def _(self) -> Callable[[str], str]:
        return self.translations.gettext

    @property
    def locale(self) -> str:
        return LOCALES[self.language]

    def grade(self, grade: int) -> str:
        _ = self._
        names = {
            6: _("6th grade"),
            7: _("7th grade"),
            8: _("8th grade"),
            9: _("9th grade"),
            10: _("10th grade"),
            11: _("11th grade"),
            12: _("12th grade"),
        }
        return names.get(grade) or _("grade %(grade)d") % {"grade": grade}

    def term(self, term: str) -> str:
        _ = self._
        return {"S1": _("first semester"), "S2": _("second semester"), "YEAR": _("all year")}[term]

    def when(self, grade: int, term: str) -> str:
        return f"{self.grade(grade)}, {self.term(term)}"

    def credits(self, amount: Decimal) -> str:
        text = self.translations.ngettext("%(amount)s credit", "%(amount)s credits", _plural(amount))
        return text % {"amount": self.number(amount)}

    def more_credits(self, amount: Decimal) -> str:
        text = self.translations.ngettext("%(amount)s more credit", "%(amount)s more credits", _plural(amount))
        return text % {"amount": self.number(amount)}

    def number(self, amount: Decimal) -> str:
        return _number(amount, self.locale)

    def date(self, day: date) -> str:
        return format_date(day, format="long", locale=self.locale)

    def either(self, items: Sequence[str]) -> str:
        return format_list(list(items), style="or", locale=self.locale)

    def course(self, change: CourseChange) -> str:
        """One line of a list of changes, such as `Chemistry (1 credit): 11th grade, all year`."""
        _ = self._
        if change.kind == "moved" and change.from_grade is not None and change.from_term is not None:
            return _("%(course)s: from %(before)s to %(after)s") % {
                "course": change.title,
                "before": self.when(change.from_grade, change.from_term),
                "after": self.when(change.grade, change.term),
            }
        return _("%(course)s (%(credits)s): %(when)s") % {
            "course": change.title,
            "credits": self.credits(change.credits),
            "when": self.when(change.grade, change.term),
        }

    def need(self, requirement: UnmetRequirement, *, student: str, is_new: bool) -> str:
        """One sentence: what is missing to graduate, such as `Maya now needs 0.5 more credit in Personal Finance`."""
        _ = self._
        if requirement.short_by > 0:
            text = (
                _("%(student)s now needs %(credits)s in %(requirement)s to graduate.")
                if is_new
                else _("%(student)s still needs %(credits)s in %(requirement)s to graduate.")
            )
        elif requirement.missing:
            text = (
                _("%(student)s now needs to take %(courses)s to graduate (%(requirement)s).")
                if is_new
                else _("%(student)s still needs to take %(courses)s to graduate (%(requirement)s).")
            )
        else:
            text = (
                _("%(student)s now needs to meet this rule to graduate: %(requirement)s.")
                if is_new
                else _("%(student)s still needs to meet this rule to graduate: %(requirement)s.")
            )
        return text % {
            "student": student,
            "credits": self.more_credits(requirement.short_by),
            "requirement": requirement.title,
            "courses": self.either(requirement.missing[:MAX_NAMED]),
        }

    def fits(self, requirement: UnmetRequirement) -> str | None:
        """Courses that would close a gap in credits."""
        if requirement.short_by <= 0 or not requirement.missing:
            return None
        return self._("This would help: %(courses)s.") % {"courses": self.either(requirement.missing[:MAX_NAMED])}


def still_unmet(standing: Standing) -> tuple[UnmetRequirement, ...]:
    """Requirements that were unmet before this change and still are."""
    new = {requirement.id for requirement in standing.became_unmet}
    return tuple(requirement for requirement in standing.unmet if requirement.id not in new)


@lru_cache(maxsize=2048)
def _number(amount: Decimal, locale: str) -> str:
    """Cached: a message holds a dozen numbers, nearly always the same few."""
    return format_decimal(amount, format="#,##0.##", locale=locale)


def _plural(amount: Decimal) -> int:
    """Half a credit is said like one, in English and in Spanish."""
    return 1 if amount <= 1 else 2
