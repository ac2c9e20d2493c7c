"""The plan as it is served: built once per version, stored, and sent as stored."""

import json
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from services.plans.audits.placements import Placement
from services.plans.audits.rules import Audit, LineResult
from services.plans.catalog.rules import Catalog
from services.plans.plans.rules import Plan


def plan_document(plan: Plan, audit: Audit, catalog: Catalog, *, updated_at: datetime | None) -> bytes:
    """The JSON that `schemas.PlanDocument` describes."""
    document = {
        "plan_id": str(plan.plan_id),
        "student_id": str(plan.student_id),
        "version": plan.version,
        "status": plan.status,
        "updated_at": updated_at.isoformat() if updated_at else None,
        "goal": {"cluster": plan.goal.cluster, "occupation_code": plan.goal.occupation_code} if plan.goal else None,
        "interests": list(plan.interests),
        "courses": [_course(placement, audit, catalog) for placement in plan.placements],
        "credits_by_grade": _credits_by_grade(plan.placements, catalog),
        "audit": _audit(audit),
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def audit_in(document: bytes) -> dict[str, Any]:
    """The audit part of a stored plan document."""
    audit: dict[str, Any] = json.loads(document)["audit"]
    return audit


def _course(placement: Placement, audit: Audit, catalog: Catalog) -> dict[str, Any]:
    course = catalog.courses.get(placement.code)
    return {
        "code": placement.code,
        "title": course.title if course else placement.code,
        "department": course.department if course else None,
        "credits": _number(course.credits) if course else 0,
        "grade": placement.grade,
        "term": placement.term,
        "state": placement.state,
        "counts_toward": audit.line_of.get(placement),
    }


def _credits_by_grade(placements: Iterable[Placement], catalog: Catalog) -> dict[str, float]:
    totals: dict[int, Decimal] = {}
    for placement in placements:
        if (course := catalog.courses.get(placement.code)) is not None:
            totals[placement.grade] = totals.get(placement.grade, Decimal(0)) + course.credits
    return {str(grade): _number(total) for grade, total in sorted(totals.items())}


def _audit(audit: Audit) -> dict[str, Any]:
    return {
        "requirement_set": audit.requirement_set,
        "title": audit.title,
        "unit": audit.unit,
        "on_track": not audit.unmet,
        "summary": audit.summary,
        "credits_planned": _number(audit.credits_planned),
        "credits_required": _number(audit.credits_required),
        "requirements": [_requirement(line) for line in audit.lines],
        "findings": [
            {
                "id": finding.id,
                "kind": finding.kind,
                "code": finding.code,
                "title": finding.title,
                "sentence": finding.sentence,
            }
            for finding in audit.findings
        ],
        "reminders": list(audit.reminders),
    }


def _requirement(line: LineResult) -> dict[str, Any]:
    return {
        "id": line.id,
        "title": line.title,
        "met": line.is_met,
        "credits_needed": _number(line.needed),
        "credits_planned": _number(line.counted_credits),
        "short_by": _number(line.short_by),
        "courses": [placement.code for placement in line.counted],
        "missing": [list(group) for group in line.missing],
        "sentence": line.sentence,
    }


def _number(credits: Decimal) -> float:
    """Credits as a JSON number: hundredths of a small amount are exact enough in binary."""
    return int(credits) if credits == int(credits) else float(credits)
