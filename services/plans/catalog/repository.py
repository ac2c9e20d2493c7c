"""Reading the catalog projection, once per revision and process."""

from decimal import Decimal
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Pool, select
from sqlalchemy.orm import Session

from services.plans.audits.lines import Rulebook, compile_rules
from services.plans.audits.rules import Audit, audit
from services.plans.catalog.rules import Catalog, Course, RequirementSet, plain
from services.plans.catalog.tables import catalog_revision, courses, requirement_sets
from shared.events.catalog import MinimumGrade, Requirement


class KnownCatalog(Catalog):
    """A catalog with its requirement sets compiled as they are asked for."""

    @cached_property
    def _books(self) -> dict[str, Rulebook]:
        return {}

    @cached_property
    def _empty_audits(self) -> dict[str, Audit]:
        return {}

    def book_for(self, key: str | None) -> Rulebook | None:
        """Rules a plan is checked against that chose the set `key`; None if no rules are known."""
        rules = self.set_for(key)
        if rules is None:
            return None
        if rules.key not in self._books:
            self._books[rules.key] = compile_rules(rules, self)
        return self._books[rules.key]

    def audit_of_nothing(self, key: str | None) -> Audit:
        """The audit of a plan without courses, which every student begins with."""
        rules = self.set_for(key)
        name = rules.key if rules else ""
        if name not in self._empty_audits:
            self._empty_audits[name] = audit((), self.book_for(key), self)
        return self._empty_audits[name]


# By connection pool, as one process may have several databases open.
_known: "WeakKeyDictionary[Pool, KnownCatalog]" = WeakKeyDictionary()


def catalog_as_of(session: Session, revision: int) -> KnownCatalog:
    """The catalog at a revision that was read in this transaction; from memory unless it has moved on."""
    pool = session.get_bind().engine.pool
    known = _known.get(pool)
    if known is None or known.revision != revision:
        known = _known[pool] = _load(session, revision)
    return known


def current_catalog(session: Session) -> KnownCatalog:
    revision = session.execute(select(catalog_revision.c.revision)).scalar_one()
    return catalog_as_of(session, revision)


def _load(session: Session, revision: int) -> KnownCatalog:
    return KnownCatalog.of(
        (_course(row) for row in session.execute(select(courses).order_by(courses.c.code))),
        (_requirement_set(row) for row in session.execute(select(requirement_sets))),
        revision=revision,
    )


def _course(row: Any) -> Course:
    facts = row.facts
    return Course(
        code=row.code,
        title=row.title,
        department=row.department,
        credits=plain(row.credits),
        grades=tuple(facts["grades"]),
        terms=tuple(facts["terms"]),
        prerequisites=tuple(map(tuple, facts["prerequisites"])),
        minimum_grades=tuple(MinimumGrade.model_validate(each) for each in facts["minimum_grades"]),
        corequisites=tuple(map(tuple, facts["corequisites"])),
        repeatable=facts["repeatable"],
        is_retired=row.is_retired,
    )


def _requirement_set(row: Any) -> RequirementSet:
    return RequirementSet(
        key=row.key,
        title=row.title,
        unit=row.unit,
        total=plain(Decimal(row.total)),
        is_default=row.is_default,
        requirements=tuple(Requirement.model_validate(each) for each in row.requirements),
    )
