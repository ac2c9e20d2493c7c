"""The event that everything is measured with: a plan's revision, 600 bytes of JSON."""

from typing import Any
from uuid import uuid4

BYTES = 600
WRITERS = 8  # that commit one change at a time
_CHANGE = {"kind": "added", "code": "ENG-250", "title": "Journalism 1", "credits": "0.5", "grade": 11, "term": "S2"}
_UNMET = {"id": "fine_arts", "title": "One credit of fine arts", "short_by": "0.5", "missing": ["Band or Chorus"]}
_STANDING = {
    "requirement_set": "us-sd-watertown-hs/university",
    "on_track": False,
    "credits_planned": "23.5",
    "credits_required": "24",
    "unmet": [_UNMET],
    "became_unmet": [],
    "became_met": ["Four credits of language arts"],
}


def payload() -> dict[str, Any]:
    """The fields of one more `PlanRevised`, about a plan of its own, as JSON knows them."""
    return {
        "plan_id": str(uuid4()),
        "student_id": str(uuid4()),
        "version": 1,
        "actor_id": str(uuid4()),
        "actor_role": "counselor",
        "changes": [_CHANGE],
        "standing": _STANDING,
    }
