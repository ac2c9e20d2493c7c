"""
What of an event is about a person: said beside each field, and read by the registry, the schemas and a test.

| class | meaning |
| --- | --- |
| `id` | points to one person, or to a record of one; says nothing by itself |
| `record` | from a student's education record |
| `sealed` | name or contact point, encrypted (docs/decisions/0003-sealed-personal-data.md) |
| `none` | everything else, and the default |

A field that may hold any text must be one of these or say, by `NotPersonal`, why it cannot
hold a name, an address or remarks about somebody.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

PersonalClass = Literal["none", "id", "record", "sealed"]
KEYWORD = "x-personal"


@dataclass(frozen=True)
class Personal:
    """Marks a field, and says so in its schema."""

    kind: PersonalClass

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), KEYWORD: self.kind}


@dataclass(frozen=True)
class NotPersonal:
    """Marks an open text that is about no person, with the reason."""

    reason: str


RECORD = Personal("record")
PersonalId = Annotated[UUID, Personal("id")]
Sealed = Annotated[
    str,
    Personal("sealed"),
    Field(
        description="Encrypted personal data (shared/sealing.py). Opaque to every reader but the services that "
        "hold the sealing key; docs/decisions/0003-sealed-personal-data.md"
    ),
]
CourseCode = Annotated[str, NotPersonal("code from the published course catalog")]
PublishedText = Annotated[str, NotPersonal("words the district publishes for everybody")]
RuleName = Annotated[str, NotPersonal("name of a rule set or of one of its lines")]
ClusterName = Annotated[str, NotPersonal("one of the sixteen national career clusters")]
PublicName = Annotated[str, NotPersonal("public name of an organisation, never of its contact person")]
Slug = Annotated[str, NotPersonal("one of a few fixed words of the program")]
LanguageTag = Annotated[str, NotPersonal("BCP 47 tag")]


@dataclass(frozen=True)
class DescribedField:
    """A field of a contract, or of a shape within it: `changes[].code`."""

    path: str
    personal: PersonalClass
    is_open_text: bool
    reason: str | None

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2].removesuffix("[]")


def described_fields(model: type[BaseModel]) -> list[DescribedField]:
    """Every field, those of inner shapes after the field that holds them; a shape within itself is told once."""
    return list(_fields(model, "", "none", ()))


def _fields(
    model: type[BaseModel], prefix: str, inherited: PersonalClass, within: tuple[type[BaseModel], ...]
) -> Iterator[DescribedField]:
    for name, field in model.model_fields.items():
        read = _Reading()
        read.look(field.annotation, field.metadata)
        personal = read.personal or inherited
        path = f"{prefix}{name}"
        yield DescribedField(path, personal, read.is_open_text, read.reason)
        for shape, many in read.shapes:
            if shape not in within and shape is not model:
                yield from _fields(shape, f"{path}{'[]' if many else ''}.", personal, (*within, model))


class _Reading:
    """What an annotation says once unwrapped."""

    def __init__(self) -> None:
        self.personal: PersonalClass | None = None
        self.is_open_text = False
        self.reason: str | None = None
        self.shapes: list[tuple[type[BaseModel], bool]] = []

    def look(self, annotation: Any, metadata: Sequence[Any] = (), *, many: bool = False) -> None:
        for mark in metadata:
            if isinstance(mark, Personal):
                self.personal = mark.kind
            elif isinstance(mark, NotPersonal):
                self.reason = mark.reason
        origin = get_origin(annotation)
        if origin is Annotated:
            inner, *marks = get_args(annotation)
            self.look(inner, marks, many=many)
        elif origin is Literal:
            return
        elif origin is not None:
            for each in get_args(annotation):
                self.look(each, many=many or origin in (tuple, list, dict))
        elif annotation is str:
            self.is_open_text = True
        elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
            self.shapes.append((annotation, many))
