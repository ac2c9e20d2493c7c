"""The metadata around every event: CloudEvents 1.0 attributes and our extensions."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from shared.events.contract import producer_of

SPEC_VERSION = "1.0"
CONTENT_TYPE = "application/json"
# Header prefix of the RabbitMQ binding in the CloudEvents SDKs, so that their readers need no mapping.
HEADER_PREFIX = "ce-"


class Envelope(BaseModel):
    """
    Who said what about whom, when and why.

    `subject_version` counts the changes of the subject; a reader that has seen a later
    one ignores this one. `correlation_id` is the same for everything one action caused,
    `causation_id` is the event directly behind this one (absent for the first).
    """

    model_config = ConfigDict(frozen=True)

    id: UUID
    type: str
    subject: str
    subject_version: int
    time: AwareDatetime
    correlation_id: UUID
    causation_id: UUID | None = None
    traceparent: str | None = None

    @property
    def source(self) -> str:
        return f"/signpost/{producer_of(self.type)}"

    def headers(self) -> dict[str, Any]:
        """AMQP message headers of the CloudEvents binary mode."""
        attributes = {
            "specversion": SPEC_VERSION,
            "id": str(self.id),
            "source": self.source,
            "type": self.type,
            "subject": self.subject,
            "time": self.time.isoformat(),
            "dataschema": f"/schemas/{self.type}.json",
            "subjectversion": self.subject_version,
            "correlationid": str(self.correlation_id),
            "causationid": str(self.causation_id) if self.causation_id else None,
            "traceparent": self.traceparent,
        }
        return {HEADER_PREFIX + name: value for name, value in attributes.items() if value is not None}

    @classmethod
    def from_headers(cls, headers: Mapping[str, Any]) -> "Envelope":
        """
        Read an envelope from AMQP headers.

        Raises:
            pydantic.ValidationError: An attribute is missing or malformed.
        """
        return cls.model_validate({field: headers[name] for name, field in _FIELDS.items() if name in headers})


# By AMQP header; `source`, `specversion` and `dataschema` follow from the type.
_FIELDS = {HEADER_PREFIX + field.replace("_", ""): field for field in Envelope.model_fields}
