"""What an event contract is, and the registry derived from the contracts themselves."""

import importlib
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

PRODUCERS = ("roster", "catalog", "plans", "mentorship", "notifications")
TYPE_PATTERN = re.compile(r"^(?P<service>[a-z]+)\.(?P<subject>[a-z_]+)\.(?P<action>[a-z_]+)\.v(?P<major>[1-9]\d*)$")

_contracts: dict[str, "type[Event]"] = {}


class Event(BaseModel):
    """
    Base of every contract: a fact, past tense, immutable.

    A subclass names its type, the field that identifies its subject (the aggregate
    whose version orders it) and, where it concerns one student, the field with that
    student's id:

        class PlanApproved(Event, type="plans.plan.approved.v1", subject="plan_id", about="student_id")

    With `kept=True` the newest event of each subject stays when retention removes the others, so that projections can
    be rebuilt. Such an event must state all it is about: nothing in it may need the one before to be understood.

    Readers ignore fields they do not know, so a version can grow by optional fields.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    event_type: ClassVar[str]
    subject_field: ClassVar[str]
    student_field: ClassVar[str | None]
    is_kept: ClassVar[bool]

    def __init_subclass__(cls, **contract: Any) -> None:
        """Take the keywords that `__pydantic_init_subclass__` reads once the fields are known."""
        super().__init_subclass__()

    @classmethod
    def __pydantic_init_subclass__(
        cls,
        *,
        type: str | None = None,
        subject: str = "",
        about: str | None = None,
        kept: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if type is None:  # a shared base, not a contract
            return
        if not TYPE_PATTERN.match(type):
            raise ValueError(f"{cls.__name__}: {type!r} is not <service>.<subject>.<action>.v<major>")
        if subject not in cls.model_fields or (about is not None and about not in cls.model_fields):
            raise ValueError(f"{cls.__name__}: subject {subject!r} and about {about!r} must be fields")
        if type in _contracts:
            raise ValueError(f"{type} is declared twice: {_contracts[type].__name__} and {cls.__name__}")
        cls.event_type = type
        cls.subject_field = subject
        cls.student_field = about
        cls.is_kept = kept
        _contracts[type] = cls

    @property
    def subject_id(self) -> str:
        return str(getattr(self, self.subject_field))


def contracts() -> Mapping[str, type[Event]]:
    """Every contract of every producer, by event type."""
    for producer in PRODUCERS:
        importlib.import_module(f"shared.events.{producer}")
    return dict(sorted(_contracts.items()))


def producer_of(event_type: str) -> str:
    return event_type.partition(".")[0]
