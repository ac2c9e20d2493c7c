"""The registry of events, derived from the contracts and from what the workers' classes say they react to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.composition import SERVICES, worker_class
from shared.auth.projection import ACCESS_REACTIONS
from shared.events.contract import Event, contracts, producer_of
from shared.events.export import example_of, schema_of
from shared.events.personal import DescribedField, described_fields
from shared.events.upcasting import older_versions
from shared.messaging.reactions import Reaction, combine


@dataclass(frozen=True)
class RegisteredEvent:
    """All that is known of one event type."""

    contract: type[Event]
    consumers: tuple[str, ...]
    projects_access: bool

    @property
    def type(self) -> str:
        return self.contract.event_type

    @property
    def version(self) -> int:
        return int(self.type.rpartition(".v")[2])

    @property
    def producer(self) -> str:
        return producer_of(self.type)

    @property
    def also_read_from(self) -> tuple[str, ...]:
        """Older versions whose events are upcast to this one."""
        return older_versions(self.type)

    @property
    def says(self) -> str:
        return " ".join((self.contract.__doc__ or "").split())

    @property
    def fields(self) -> list[DescribedField]:
        return described_fields(self.contract)

    def document(self) -> dict[str, Any]:
        """Everything, as JSON can tell it."""
        return {
            "type": self.type,
            "version": self.version,
            "says": self.says,
            "producer": self.producer,
            "consumers": list(self.consumers),
            "projected_by_every_service": self.projects_access,
            "also_read_from": list(self.also_read_from),
            "fields": {field.path: field.personal for field in self.fields},
            "schema": schema_of(self.contract),
            "example": example_of(self.type),
        }


def registry() -> Mapping[str, RegisteredEvent]:
    """Every event by type."""
    consumers: dict[str, list[str]] = {}
    for service in SERVICES:
        for event_type in _own_reactions(service):
            consumers.setdefault(event_type, []).append(service)
    access = {contract.event_type for contract in ACCESS_REACTIONS}
    return {
        event_type: RegisteredEvent(contract, tuple(consumers.get(event_type, ())), event_type in access)
        for event_type, contract in contracts().items()
    }


def _own_reactions(service: str) -> list[str]:
    """What a service's class declares itself, without what every service does about access."""
    declared = [
        each
        for value in vars(worker_class(service)).values()
        for each in (value if isinstance(value, tuple) else (value,))
        if isinstance(each, Reaction)
    ]
    return list(combine(declared))
