"""Publish a rule set, and say which one plans are checked against."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from services.catalog.conflicts.handlers import review_conflicts
from services.catalog.courses.tables import course_of, offered_courses
from services.catalog.imports import ImportRefused, defect
from services.catalog.requirements.documents import Block
from services.catalog.requirements.rules import RequirementSet
from services.catalog.requirements.tables import save_set, set_of, set_rows
from services.catalog.requirements.translation import translate
from services.catalog.tables import lock_catalog, mark_changed
from shared.database.unit_of_work import UnitOfWork


@dataclass(frozen=True)
class RequirementsPublication:
    """
    What publishing a rule set changed.

    `changed_keys` were published anew. `left_keys` are tracks of the rule set that the file no
    longer has; they stay, because plans may be checked against them.
    """

    keys: tuple[str, ...]
    changed_keys: tuple[str, ...]
    left_keys: tuple[str, ...]
    default_key: str


def publish_requirements(
    sets: Sequence[RequirementSet], *, uow: UnitOfWork, make_default: bool = False
) -> RequirementsPublication:
    """
    Publish the tracks of one rule set; unchanged ones stay as they are and emit nothing.

    The first set imported into an empty catalog is the default, and its rule set keeps the
    default until another is imported with `make_default`.

    Args:
        sets: All tracks of one rule set, at least one; the first is meant as the default.
    """
    lock_catalog(uow.session)
    known = set_rows(uow.session)
    default_key = _default_key(sets, known, make_default)
    wanted = {key: set_of(row) for key, row in known.items()} | {each.key: each for each in sets}
    changed = []
    for key, rules in wanted.items():
        if _save(rules, known.get(key), uow=uow, is_default=key == default_key):
            changed.append(key)
    if changed:
        mark_changed(uow.session)
    review_conflicts(uow=uow)
    keys = tuple(each.key for each in sets)
    left = tuple(key for key in known if key not in keys and key.partition("/")[0] == sets[0].rule_set)
    return RequirementsPublication(keys, tuple(changed), left, default_key)


def publish_document(
    document: Block, *, uow: UnitOfWork, file: str, make_default: bool = False
) -> RequirementsPublication:
    """
    Publish a rule set's file, its names and ranges resolved against the courses offered now.

    Raises:
        ImportRefused: A line cannot be read or expressed, or there is no catalog to resolve it against.
    """
    lock_catalog(uow.session)
    offered = {row.code: course_of(row) for row in uow.session.execute(offered_courses())}
    if not offered:
        expected = "a catalog to check the rules against; first run: signpost import catalog PATH"
        raise ImportRefused([defect(file, "whole file", "courses", None, expected)])
    return publish_requirements(translate(document, file=file, courses=offered), uow=uow, make_default=make_default)


def _default_key(sets: Sequence[RequirementSet], known: Mapping[str, Row[Any]], make_default: bool) -> str:
    holder = next((key for key, row in known.items() if row.is_default), None)
    is_same_rule_set = holder is not None and holder.partition("/")[0] == sets[0].rule_set
    return sets[0].key if holder is None or make_default or is_same_rule_set else holder


def _save(rules: RequirementSet, row: Row[Any] | None, *, uow: UnitOfWork, is_default: bool) -> bool:
    """True if the set is other than it was published, and was published anew."""
    before = set_of(row) if row is not None else None
    was_default = row is not None and row.is_default
    if before == rules and was_default == is_default:
        return False
    event = rules.changed(is_default=is_default)
    is_news = before is None or before.changed(is_default=was_default) != event
    version = (int(row.version) if row is not None else 0) + is_news
    save_set(uow.session, rules, version, is_default=is_default, at=uow.clock.now())
    if is_news:
        uow.emit(event, version=version)
    return is_news
