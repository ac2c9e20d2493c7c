"""One OpenAPI document out of many: whose path it is, and what to do when two schemas share a name."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Document = Mapping[str, Any]

_METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")
_REFERENCE = "#/components/"


def merge(
    documents: Mapping[str, Document], *, info: Mapping[str, Any], server: str, serves: Callable[[str, str], bool]
) -> dict[str, Any]:
    """
    Merge the documents of several services into one that is valid again.

    Components of the same name and meaning are kept once; others get the service's name in
    front. Operation ids stay unique the same way.

    Args:
        documents: By service, in the order in which the first keeps its names.
        serves: Whether a path of a service is reached through this server at all.
    """
    merged = _Merged()
    for service, document in documents.items():
        merged.add(service, document, serves)
    return {
        "openapi": "3.1.0",
        "info": dict(info),
        "servers": [{"url": server}],
        "tags": list(merged.tags.values()),
        "paths": merged.paths,
        "components": merged.components,
    }


class _Merged:
    def __init__(self) -> None:
        self.paths: dict[str, dict[str, Any]] = {}
        self.components: dict[str, dict[str, Any]] = {}
        self.tags: dict[str, dict[str, Any]] = {}
        self._operation_ids: set[str] = set()

    def add(self, service: str, document: Document, serves: Callable[[str, str], bool]) -> None:
        components: Mapping[str, Mapping[str, Any]] = document.get("components", {})
        names = _new_names(service, components, self.components)
        for section, entries in components.items():
            kept = self.components.setdefault(section, {})
            for name, entry in entries.items():
                kept.setdefault(names.get((section, name), name), _renamed(entry, names))
        for path, item in document.get("paths", {}).items():
            if serves(service, path):
                self.paths.setdefault(path, {}).update(self._operations(service, _renamed(item, names)))
        for tag in document.get("tags", ()):
            self.tags.setdefault(tag["name"], dict(tag))

    def _operations(self, service: str, item: dict[str, Any]) -> dict[str, Any]:
        for method in _METHODS:
            operation = item.get(method)
            if operation and "operationId" in operation:
                if operation["operationId"] in self._operation_ids:
                    operation["operationId"] = f"{service}_{operation['operationId']}"
                self._operation_ids.add(operation["operationId"])
        return item


def _new_names(
    service: str, components: Mapping[str, Mapping[str, Any]], taken: Mapping[str, Mapping[str, Any]]
) -> dict[tuple[str, str], str]:
    """New names of the components that differ from a taken one, or refer to one that does."""
    clashing = {
        (section, name)
        for section, entries in components.items()
        for name, entry in entries.items()
        if name in taken.get(section, {}) and taken[section][name] != entry
    }
    while True:
        dragged = {
            (section, name)
            for section, entries in components.items()
            for name, entry in entries.items()
            if (section, name) not in clashing
            and name in taken.get(section, {})
            and any(target in clashing for target in _references(entry))
        }
        if not dragged:
            break
        clashing |= dragged
    return {(section, name): f"{service.capitalize()}{name}" for section, name in clashing}


def _references(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for entry in value.values():
            yield from _references(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _references(entry)
    elif isinstance(value, str) and value.startswith(_REFERENCE):
        section, _, name = value.removeprefix(_REFERENCE).partition("/")
        yield section, name


def _renamed(value: Any, names: Mapping[tuple[str, str], str]) -> Any:
    """A deep copy in which references, also those of discriminators, follow the new names."""
    if isinstance(value, Mapping):
        return {key: _renamed(entry, names) for key, entry in value.items()}
    if isinstance(value, list):
        return [_renamed(entry, names) for entry in value]
    if isinstance(value, str) and value.startswith(_REFERENCE):
        section, _, name = value.removeprefix(_REFERENCE).partition("/")
        return f"{_REFERENCE}{section}/{names.get((section, name), name)}"
    return value
