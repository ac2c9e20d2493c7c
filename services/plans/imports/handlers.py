"""Taking over plans: each becomes the first version of a student's plan, made by the system."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from services.plans.imports.schemas import PlanRecord
from services.plans.plans import rules
from services.plans.plans.handlers import Opened, open_as_system, save_version
from services.plans.plans.rules import Change, Goal, Limits
from services.plans.settings import PlansSettings
from shared.database.database import Database
from shared.database.unit_of_work import UnitOfWork
from shared.events.plans import GoalSet, PlanRevised
from shared.identifiers import stable_id
from shared.problems import NotFound, Problem

PLANS_PER_TRANSACTION = 50


@dataclass
class PlansReport:
    """What became of the plans of a file."""

    taken: int = 0
    kept: int = 0
    refused: list[str] = field(default_factory=list)


def import_plans(
    records: Iterable[PlanRecord],
    *,
    source: str,
    database: Database,
    settings: PlansSettings,
    advance: Callable[[int], None] = lambda _: None,
) -> PlansReport:
    """
    Take over plans of students who have none yet; a plan somebody has begun here is kept.

    A plan that the rules refuse is reported and left out; the others go in. No notice is sent
    and no task opened: nobody changed anything.

    Args:
        source: Name of the roster's source, in whose ids the students are named.
    """
    report = PlansReport()
    remaining = iter(records)
    while batch := list(islice(remaining, PLANS_PER_TRANSACTION)):
        with database.transaction() as uow:
            for record in batch:
                _import_plan(record, report, source=source, settings=settings, uow=uow)
        advance(len(batch))
    return report


def _import_plan(
    record: PlanRecord, report: PlansReport, *, source: str, settings: PlansSettings, uow: UnitOfWork
) -> None:
    student_id = stable_id("person", source, record.student_sourced_id)
    try:
        with uow.attempt():
            opened = open_as_system(student_id, uow=uow)
            if opened.plan.version > 0:
                report.kept += 1
                return
            goal = Goal(record.goal_cluster) if record.goal_cluster else None
            _take_over(opened, [add.change() for add in record.changes], goal, settings=settings, uow=uow)
    except NotFound:
        report.refused.append(f"{record.student_sourced_id}: no such student in {source!r}; import the roster first")
    except Problem as problem:
        report.refused.append(f"{record.student_sourced_id}: {problem}")
    else:
        report.taken += 1


def _take_over(
    opened: Opened, changes: Sequence[Change], goal: Goal | None, *, settings: PlansSettings, uow: UnitOfWork
) -> None:
    limits = Limits(settings.max_credits_per_grade, may_record_taken=True)
    changed = rules.apply_changes((), changes, opened.catalog, limits)
    plan = replace(opened.plan, version=1, placements=changed.placements, goal=goal)
    _, standing = save_version(opened, plan, "courses", changes=changed.changes, uow=uow)
    revised = uow.emit(
        PlanRevised(
            plan_id=plan.plan_id,
            student_id=plan.student_id,
            version=plan.version,
            actor_id=opened.actor_id,
            actor_role=opened.actor_role,
            changes=changed.changes,
            standing=standing,
        ),
        version=plan.version,
    )
    if goal is not None:
        uow.emit(
            GoalSet(
                plan_id=plan.plan_id, student_id=plan.student_id, cluster=goal.cluster, actor_role=opened.actor_role
            ),
            version=plan.version,
            caused_by=revised,
        )
