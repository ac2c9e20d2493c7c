"""What a rulebook may say, and which of its rules an event meets."""

from collections.abc import Collection, Mapping
from typing import Any, Literal, Self, get_args, get_origin
from uuid import UUID

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.events.contract import Event, contracts
from shared.events.notifications import Channel

Scalar = str | int | bool
Urgency = Literal["normal", "high"]
TaskKind = Literal["plan_off_track", "approve_match", "review_plan"]
Outcome = Literal["done", "repaired", "superseded"]


class RulebookInvalid(Exception):
    """The rulebook cannot be followed."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Condition(_Strict):
    """One test of one field of an event, named by its path: `standing.unmet`."""

    path: str
    equals: Scalar | None = None
    one_of: tuple[Scalar, ...] = ()
    state: Literal["empty", "filled"] | None = Field(default=None, alias="is")

    @model_validator(mode="after")
    def _has_one_test(self) -> Self:
        if sum((self.equals is not None, bool(self.one_of), self.state is not None)) != 1:
            raise ValueError(f"{self.path}: say exactly one of `equals`, `one_of` and `is`")
        return self

    def holds(self, event: Event) -> bool:
        value: Any = event
        for name in self.path.split("."):
            value = getattr(value, name)
        if self.state is not None:
            return bool(value) == (self.state == "filled")
        return value == self.equals if self.equals is not None else value in self.one_of


class TaskNotice(_Strict):
    """What the counselor is told when a task opens or closes."""

    template: str
    channels: tuple[Channel, ...] = Field(default=("email",), min_length=1)
    urgency: Urgency = "normal"


class NoticeRule(TaskNotice):
    """What is told to whom."""

    to: Literal["guardians", "student", "counselor"]


class TaskRule(_Strict):
    """
    Opens the task of a kind, or closes it; `about` is the field that ties later events to it.

    `items` is the path of a list of what exactly it is about: those an opening adds, those a closing leaves.
    """

    open: TaskKind | None = None
    close: TaskKind | None = None
    about: str
    items: str | None = None
    outcome: Outcome | None = None
    notice: TaskNotice | None = None

    @model_validator(mode="after")
    def _does_one_thing(self) -> Self:
        if (self.open is None) == (self.close is None):
            raise ValueError("a task rule says either `open` or `close`")
        if (self.close is None) != (self.outcome is None):
            raise ValueError("`outcome` belongs to `close`, and `close` needs it")
        return self

    @property
    def kind(self) -> TaskKind:
        kind = self.open or self.close
        assert kind is not None
        return kind

    def subject_of(self, event: Event) -> UUID:
        subject = getattr(event, self.about)
        assert isinstance(subject, UUID)
        return subject

    def items_of(self, event: Event) -> frozenset[str]:
        """Ids of the entries of `items`; empty without it."""
        if self.items is None:
            return frozenset()
        value: Any = event
        for name in self.items.split("."):
            value = getattr(value, name)
        return frozenset(entry.id for entry in value)


class Rule(_Strict):
    """One event type, what must hold, and what follows."""

    event: str
    when: tuple[Condition, ...] = ()
    notices: tuple[NoticeRule, ...] = ()
    tasks: tuple[TaskRule, ...] = ()

    @model_validator(mode="after")
    def _fits_its_contract(self) -> Self:
        contract = contracts().get(self.event)
        if contract is None or contract.student_field is None:
            raise ValueError(f"{self.event} is no event about a student")
        for condition in self.when:
            if not _has_path(contract, condition.path.split(".")):
                raise ValueError(f"{self.event} has no field {condition.path}")
        for task in self.tasks:
            if (
                contract.model_fields.get(task.about) is None
                or contract.model_fields[task.about].annotation is not UUID
            ):
                raise ValueError(f"{self.event} has no id {task.about}")
            if task.items is not None and not _has_path(contract, [*task.items.split("."), "id"]):
                raise ValueError(f"{self.event} has no list {task.items} of things with an id")
        if not self.notices and not self.tasks:
            raise ValueError(f"{self.event}: nothing follows from this rule")
        return self

    def templates(self) -> set[str]:
        told = [*self.notices, *(task.notice for task in self.tasks if task.notice)]
        return {notice.template for notice in told}


class Rulebook(_Strict):
    """All rules."""

    rules: tuple[Rule, ...]

    def matching(self, event: Event) -> list[Rule]:
        return [
            rule
            for rule in self.rules
            if rule.event == event.event_type and all(condition.holds(event) for condition in rule.when)
        ]

    @property
    def event_types(self) -> frozenset[str]:
        return frozenset(rule.event for rule in self.rules)


def read_rulebook(text: str, *, templates: Collection[str]) -> Rulebook:
    """
    Args:
        templates: Names of the messages there are.

    Raises:
        RulebookInvalid: What is wrong, and where.
    """
    try:
        content: Mapping[str, Any] = yaml.safe_load(text)
        rulebook = Rulebook.model_validate(content)
    except (yaml.YAMLError, ValidationError) as error:
        raise RulebookInvalid(str(error)) from error
    for rule in rulebook.rules:
        for missing in rule.templates() - set(templates):
            raise RulebookInvalid(f"{rule.event}: there is no template {missing!r}; there are {sorted(templates)}")
    return rulebook


def _has_path(model: Any, names: list[str]) -> bool:
    if not names:
        return True
    if not (isinstance(model, type) and issubclass(model, BaseModel)) or names[0] not in model.model_fields:
        return False
    annotation = model.model_fields[names[0]].annotation
    inner = [annotation] if get_origin(annotation) is None else list(get_args(annotation))
    return len(names) == 1 or any(_has_path(each, names[1:]) for each in inner)
