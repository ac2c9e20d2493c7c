"""One line of a plans file."""

from pydantic import BaseModel, ConfigDict, Field

from services.plans.plans.schemas import Add


class PlanRecord(BaseModel):
    """A student's whole course plan and goal. Courses of past years have the state `taken`."""

    model_config = ConfigDict(frozen=True)

    student_sourced_id: str = Field(min_length=1, max_length=255, description="As in the roster's source")
    grade: int | None = None
    goal_cluster: str | None = None
    changes: tuple[Add, ...] = Field(max_length=200)
