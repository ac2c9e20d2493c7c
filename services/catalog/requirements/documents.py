"""A YAML file as plain lists and mappings that remember their lines, with bounds on what it may unfold to."""

import re
from decimal import Decimal, InvalidOperation
from typing import Any

import yaml

from services.catalog.imports import ImportRefused, decoded, defect

MOST_NODES = 50_000
DEEPEST = 40
PREFIX = "tag:yaml.org,2002:"


class Block(dict[str, Any]):
    """A mapping, the line it begins on and the line of each of its keys."""

    line: int
    lines: dict[str, int]

    def line_of(self, key: str) -> int:
        return self.lines.get(key, self.line)


class Items(list[Any]):
    """A list and the line it begins on."""

    line: int


def load(content: bytes, *, file: str, limit: int) -> Block:
    """
    The mapping in a YAML file.

    Numbers with a point come as Decimal; anchors and `<<` are followed, but what they unfold
    to is counted, so that a few lines cannot become millions of values.

    Raises:
        ImportRefused: Not YAML, not a mapping, a key twice, a tag of another language, or too much.
    """
    text = decoded(content, file=file, limit=limit)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "whole file"
        raise _refusal(file, where, f"readable YAML; here: {error.problem}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise _refusal(file, "whole file", f"readable YAML; {type(error).__name__}") from None
    loaded = _Unfolding(file).value(root, 0) if root is not None else None
    if not isinstance(loaded, Block):
        raise _refusal(file, "line 1", "a mapping with id, title, unit, total and tracks or requirements")
    return loaded


def _refusal(file: str, where: str, expected: str) -> ImportRefused:
    return ImportRefused([defect(file, where, "YAML", None, expected)])


class _Unfolding:
    """Turns nodes into values, counting them: an alias is unfolded, and paid for, each time it is used."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.count = 0

    def value(self, node: yaml.Node, depth: int) -> Any:
        self.count += 1
        if self.count > MOST_NODES or depth > DEEPEST:
            expected = f"at most {MOST_NODES} values, {DEEPEST} deep, once its anchors are unfolded"
            raise _refusal(self.file, _where(node), expected)
        if isinstance(node, yaml.MappingNode):
            return self._block(node, depth)
        if isinstance(node, yaml.SequenceNode):
            items = Items(self.value(each, depth + 1) for each in node.value)
            items.line = _line(node)
            return items
        return self._scalar(node)

    def _block(self, node: yaml.MappingNode, depth: int) -> Block:
        block = Block()
        block.line = _line(node)
        block.lines = {}
        own: set[str] = set()
        for key_node, value_node in node.value:
            if key_node.tag == PREFIX + "merge":
                merged = self.value(value_node, depth + 1)
                for each in merged if isinstance(merged, Items) else [merged]:
                    self._merge(block, each, own, key_node)
                continue
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else ""
            if not key or key in own:
                raise _refusal(self.file, _where(key_node), f"each key once and a plain text; here: {key!r}")
            own.add(key)
            block[key] = self.value(value_node, depth + 1)
            block.lines[key] = _line(key_node)
        return block

    def _merge(self, block: Block, merged: Any, own: set[str], node: yaml.Node) -> None:
        if not isinstance(merged, Block):
            raise _refusal(self.file, _where(node), "`<<` followed by a mapping or a list of mappings")
        for key, value in merged.items():
            if key not in own and key not in block:
                block[key] = value
                block.lines[key] = merged.line_of(key)

    def _scalar(self, node: yaml.Node) -> Any:
        kind = node.tag.removeprefix(PREFIX)
        text: str = node.value
        if kind in ("str", "timestamp"):
            return text
        if kind == "null":
            return None
        if kind == "bool":
            return text.casefold() in ("true", "yes", "on")
        if kind in ("int", "float"):
            try:
                # A leading zero would be lost, and belongs to a course code that somebody forgot to quote.
                return int(text) if kind == "int" and not re.match("0.", text) else Decimal(text)
            except (ValueError, InvalidOperation):
                return text
        raise _refusal(self.file, _where(node), f"plain values; {node.tag} is not read")


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _where(node: yaml.Node) -> str:
    return f"line {_line(node)}"
