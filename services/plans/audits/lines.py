"""
Requirement lines compiled for counting: which courses fit, how many credits and which named courses are needed.

Credits are integers here, in hundredths, so that sums are exact and fast.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, lru_cache
from itertools import product

from services.plans.catalog.rules import Catalog, Course, RequirementSet, plain
from shared.events.catalog import Requirement

# A language is told by the first two digits of its courses' codes, as local code systems number them.
LANGUAGE_DIGITS = 2


def hundredths(credits: Decimal) -> int:
    return int(credits * 100)


@lru_cache(maxsize=4096)
def in_credits(amount: int) -> Decimal:
    return plain(Decimal(amount).scaleb(-2))


@dataclass(frozen=True)
class Part:
    """
    One condition: `needed` credits from `pool`, and one course of every slot.

    `slot_credits` is the least each slot's courses are worth, at least one hundredth,
    so that an empty slot is always a shortage. `offered` are the courses of the pool
    that may still be chosen, those open to younger grades first.
    """

    needed: int
    pool: frozenset[str]
    slots: tuple[tuple[str, ...], ...] = ()
    slot_credits: tuple[int, ...] = ()
    offered: tuple[str, ...] = ()

    @cached_property
    def slotted(self) -> frozenset[str]:
        return frozenset().union(*self.slots)


@dataclass(frozen=True)
class Option:
    """One way to meet a line: all its parts, by the same courses."""

    parts: tuple[Part, ...]

    @cached_property
    def codes(self) -> frozenset[str]:
        return frozenset().union(*(part.pool | part.slotted for part in self.parts))

    @cached_property
    def is_plain(self) -> bool:
        """No course fills two slots of the same part: counting it leaves no choice."""
        return all(len(part.slotted) == sum(len(set(slot)) for slot in part.slots) for part in self.parts)

    @cached_property
    def named(self) -> frozenset[str]:
        return frozenset().union(*(part.slotted for part in self.parts))

    @cached_property
    def start(self) -> tuple[tuple[int, int], ...]:
        """Credits and slots (a bit each) still needed in every part before any course counts."""
        return tuple((part.needed, (1 << len(part.slots)) - 1) for part in self.parts)

    @cached_property
    def need(self) -> int:
        return self.shortage(self.start)

    def shortage(self, state: tuple[tuple[int, int], ...]) -> int:
        """Hundredths of credit that must still be added; what the empty slots will bring is part of it."""
        worst = 0
        for part, (remaining, empty) in zip(self.parts, state, strict=True):
            short = remaining
            if empty:
                in_slots = sum(worth for bit, worth in enumerate(part.slot_credits) if empty >> bit & 1)
                short = max(remaining, in_slots)
            worst = max(worst, short)
        return worst


@dataclass(frozen=True)
class Line:
    """A requirement and every way to meet it."""

    id: str
    title: str
    options: tuple[Option, ...]

    @cached_property
    def need(self) -> int:
        return min(option.need for option in self.options)


@dataclass(frozen=True)
class Rulebook:
    """A requirement set compiled against one revision of the catalog. Lines are in the rule set's order."""

    rules: RequirementSet
    catalog: Catalog
    lines: tuple[Line, ...]
    credits: Mapping[str, int]

    @cached_property
    def by_need(self) -> tuple[int, ...]:
        """Line numbers, smallest need first: what a contested course meets wholly goes before what it meets in part."""
        return tuple(sorted(range(len(self.lines)), key=lambda number: (self.lines[number].need, number)))


def compile_rules(rules: RequirementSet, catalog: Catalog) -> Rulebook:
    worth = {code: hundredths(course.credits) for code, course in catalog.courses.items()}
    compiler = _Compiler(catalog, worth)
    lines = tuple(Line(each.id, each.title, tuple(compiler.options(each))) for each in rules.requirements)
    return Rulebook(rules, catalog, lines, worth)


@dataclass(frozen=True)
class _Compiler:
    catalog: Catalog
    worth: Mapping[str, int]

    def options(self, requirement: Requirement) -> list[Option]:
        """Own conditions, times the clusters, times the alternatives: one of each must hold together."""
        own: list[tuple[Part, ...]] = self._own(requirement)
        clusters = self._clusters(requirement) or [()]
        alternatives = [option.parts for each in requirement.alternatives for option in self.options(each)] or [()]
        return [Option(first + second + third) for first, second, third in product(own, clusters, alternatives)]

    def _own(self, requirement: Requirement) -> list[tuple[Part, ...]]:
        slots: list[tuple[str, ...]] = [*requirement.one_from_each, *((code,) for code in requirement.all_of)]
        if requirement.any_of and not requirement.credits:
            slots.append(requirement.any_of)
        excluded = set(requirement.exclude)
        slots = [tuple(code for code in slot if code not in excluded) for slot in slots]
        fitting = {course.code for course in self._of_departments(requirement.departments)}
        pool = fitting.union(requirement.any_of, *slots) - excluded
        if requirement.same_language:
            keys = sorted({code[:LANGUAGE_DIGITS] for code in pool}) or [""]
            pools = [frozenset(code for code in pool if code.startswith(key)) for key in keys]
        else:
            pools = [frozenset(pool)]
        if not requirement.credits and not slots:
            return [()]
        return [(self._part(hundredths(requirement.credits), pool, slots),) for pool in pools]

    def _clusters(self, requirement: Requirement) -> list[tuple[Part, ...]]:
        clusters = requirement.clusters.values()
        ways = [self._part(0, frozenset(), [(code,) for code in codes]) for codes in clusters]
        if requirement.cluster_credits is not None:
            needed = hundredths(requirement.cluster_credits)
            ways += [self._part(needed, frozenset(codes), []) for codes in clusters]
        return [(way,) for way in ways]

    def _of_departments(self, departments: Iterable[str]) -> list[Course]:
        names = set(departments)
        return [course for course in self.catalog.courses.values() if course.department in names]

    def _part(self, needed: int, pool: frozenset[str], slots: Iterable[Iterable[str]]) -> Part:
        named = tuple(tuple(slot) for slot in slots)
        least = tuple(max(1, min((self.worth.get(code, 1) for code in slot), default=1)) for slot in named)
        return Part(needed, pool, named, least, self._offered(pool))

    def _offered(self, pool: frozenset[str]) -> tuple[str, ...]:
        courses = [self.catalog.courses[code] for code in pool if code in self.catalog.courses]
        open_to_all = [course for course in courses if not course.is_retired and course.credits]
        open_to_all.sort(key=lambda course: (min(course.grades, default=0), course.code))
        return tuple(course.code for course in open_to_all)
