"""Who may do what to a student's record: the table of ACCESS, by relation. Declared once."""

from collections.abc import Mapping

Grants = Mapping[str, frozenset[str]]

SELF = "self"
GUARDIAN = "guardian_of"
COUNSELOR = "counselor_of"
CASE_MANAGER = "case_manager_of"
TEACHER = "teacher_of"

R, W, SIGN, SUBMIT, APPROVE = "read", "write", "sign", "submit", "approve"


def _grants(**by_relation: str) -> Grants:
    return {relation: frozenset(actions.split()) for relation, actions in by_relation.items()}


# resource -> relation -> actions. What is not listed is refused.
POLICY: Mapping[str, Grants] = {
    "student": _grants(self=R, guardian_of=R, counselor_of=R, case_manager_of=R, teacher_of=R),
    "plan": _grants(
        self=f"{R} {W} {SUBMIT}",
        guardian_of=f"{R} {SIGN}",
        counselor_of=f"{R} {W} {APPROVE}",
        case_manager_of=f"{R} {W}",
        teacher_of=R,
    ),
    "contacts": _grants(self=f"{R} {W}", counselor_of=R, case_manager_of=R),
    "restrictions": _grants(counselor_of=R, case_manager_of=R),
    "notices": _grants(self=R, guardian_of=R, counselor_of=f"{R} {W}", case_manager_of=f"{R} {W}"),
    # Write covers everybody's tasks about the student; read alone, the caller's own.
    "tasks": _grants(self=R, counselor_of=f"{R} {W}", case_manager_of=R, teacher_of=R),
    "matches": _grants(self=R, guardian_of=R, counselor_of=f"{R} {W} {APPROVE}", case_manager_of=R),
    "mentor_thread": _grants(self=f"{R} {W}", guardian_of=R, counselor_of=R, case_manager_of=R),
    "relationship_file": _grants(self=R, counselor_of=f"{R} {W}", case_manager_of=R, teacher_of=R),
    "journeys": _grants(self=R, guardian_of=R, counselor_of=R, case_manager_of=R),
}

# What a guardian's court-ordered rights must still include for an action; anything else of a guardian needs plan.read.
GUARDIAN_RIGHT: Mapping[tuple[str, str], str] = {
    ("plan", SIGN): "plan.sign",
    ("notices", R): "notices",
}

# Resources a district administrator may read when naming a reason; each such read is disclosed.
READABLE_WITH_REASON = frozenset({"student", "plan", "mentor_thread", "contacts", "restrictions"})


def relations_granting(resource: str, action: str) -> frozenset[str]:
    """
    Relations to a student that allow an action.

    Raises:
        KeyError: The resource is not in the table: a route names something nobody decided on.
    """
    return frozenset(relation for relation, actions in POLICY[resource].items() if action in actions)


def guardian_right_for(resource: str, action: str) -> str:
    return GUARDIAN_RIGHT.get((resource, action), "plan.read")
