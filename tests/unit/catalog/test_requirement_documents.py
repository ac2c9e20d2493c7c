"""YAML with its lines, and with bounds on what it may unfold to."""

from decimal import Decimal

import pytest

from services.catalog.imports import ImportRefused
from services.catalog.requirements.documents import DEEPEST, MOST_NODES, Block, Items, load

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def read(text: str) -> Block:
    return load(text.encode(), file="rules.yaml", limit=100_000)


def refusal(text: str | bytes) -> str:
    with pytest.raises(ImportRefused) as refused:
        load(text if isinstance(text, bytes) else text.encode(), file="rules.yaml", limit=100_000)
    return str(refused.value.defects[0])


class TestLoad:
    def test_remembers_the_line_of_every_key(self) -> None:
        block = read("id: x\n\ntotal: 24\nlist:\n  - {a: 1}\n  - b: 2\n")

        assert (block.line_of("id"), block.line_of("total"), block.line_of("absent")) == (1, 3, 1)
        items = block["list"]
        assert isinstance(items, Items)
        assert [each.line for each in items] == [5, 6]

    def test_reads_numbers_exactly(self) -> None:
        assert read("a: 1.5\nb: 24\nc: true\nd: null\ne: 2026-08-01\nf: '0101'\ng: 0") == {
            "a": Decimal("1.5"),
            "b": 24,
            "c": True,
            "d": None,
            "e": "2026-08-01",
            "f": "0101",
            "g": 0,
        }

    def test_does_not_take_a_code_with_a_leading_zero_for_a_number(self) -> None:
        assert not isinstance(read("a: 0101")["a"], int)

    def test_follows_anchors_and_merges(self) -> None:
        block = read("base: &base {a: 1, b: 2}\nover:\n  <<: *base\n  b: 3\nsame: *base\n")

        assert block["over"] == {"a": 1, "b": 3}
        assert block["same"] == {"a": 1, "b": 2}

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("", "line 1: YAML: a mapping with id, title"),
            ("- a\n", "line 1: YAML: a mapping with id, title"),
            ("a: [1\nb: 2\n", "line 2"),
            ("a: 1\na: 2\n", "line 2: YAML: each key once"),
            ("[1]: 2\n", "line 1: YAML: each key once and a plain text"),
            ("a: !!python/object/apply:os.system [ls]\n", ""),
            ("a: !ruby 1\n", "line 1: YAML: plain values; !ruby is not read"),
            ("a: 1\n---\nb: 2\n", "line 2"),
            ("a: *nobody\n", "line 1, column 4"),
            ("<<: 1\n", "`<<` followed by a mapping"),
            ("a: \t- b\n", "readable YAML"),
        ],
    )
    def test_refuses_and_says_where(self, text: str, complaint: str) -> None:
        if complaint:
            assert complaint in refusal(text)
        else:  # no object of another language is ever made: the tag is dropped, the list stays a list
            assert read(text)["a"] == ["ls"]

    def test_refuses_aliases_that_unfold_to_millions(self) -> None:
        assert f"at most {MOST_NODES} values" in refusal(BOMB)

    def test_refuses_a_list_that_holds_itself(self) -> None:
        assert f"{DEEPEST} deep" in refusal("a: &a [*a]\n")

    def test_refuses_nesting_without_end(self) -> None:
        assert "YAML" in refusal("a: " + "[" * 20_000)

    def test_refuses_a_file_beyond_the_limit(self) -> None:
        assert "at most 100000 bytes" in refusal("a" * 100_001)

    def test_refuses_bytes_that_are_not_utf8(self) -> None:
        assert "rules.yaml, line 2: encoding" in refusal(b"a: 1\nb: \xff\n")
