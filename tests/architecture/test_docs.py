"""The documentation is what the code says, and leads somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from services.cli import app
from tests.support.deployment import REPOSITORY

PAGES = sorted([*(REPOSITORY / "docs").rglob("*.md"), *(REPOSITORY / "deploy").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\((?!https?://|#)([^)#\s]+)(?:#[^)]*)?\)")
COMMAND = re.compile(
    r"(?:\.venv/bin/|^|`|\$ |exec [\w-]+ |--rm [\w./:\"$-]+ )signpost ((?:[a-z][a-z-]+ ?)+)", re.MULTILINE
)
IN_CODE = re.compile(r"```.*?```|`[^`\n]+`|^ {4,}\S.*$", re.DOTALL | re.MULTILINE)


def known_commands() -> set[str]:
    """Every command of `signpost`, with the group before it."""
    root = typer.main.get_command(app)
    found: set[str] = set()
    for name, command in getattr(root, "commands", {}).items():
        found.add(name)
        found |= {f"{name} {sub}" for sub in getattr(command, "commands", {})}
    return found


def test_the_reference_is_up_to_date() -> None:
    result = subprocess.run(
        [sys.executable, "-W", "ignore", str(REPOSITORY / "docs" / "generate.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert result.returncode == 0, f"{result.stdout}{result.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
class TestEachPage:
    def test_links_lead_somewhere(self, page: Path) -> None:
        broken = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()]

        assert broken == []

    def test_commands_exist(self, page: Path) -> None:
        known = known_commands()
        groups = {name.partition(" ")[0] for name in known if " " in name}
        for code in IN_CODE.findall(page.read_text(encoding="utf-8")):
            for words in COMMAND.findall(code):
                first, *rest = words.split()
                name = f"{first} {rest[0]}" if first in groups and rest else first
                assert name in known, f"signpost {words}"


def test_every_page_is_reached_from_the_index() -> None:
    index = (REPOSITORY / "docs" / "README.md").read_text(encoding="utf-8")

    for page in (REPOSITORY / "docs").rglob("*.md"):
        if page.name != "README.md":
            assert str(page.relative_to(REPOSITORY / "docs")) in index, page


def test_pages_that_code_refers_to_exist() -> None:
    code = [path for folder in ("services", "shared", "deploy") for path in (REPOSITORY / folder).rglob("*.py")]
    for path in [*code, REPOSITORY / "docker-compose.yml", REPOSITORY / "Makefile"]:
        for page in re.findall(r"docs/[\w/-]+\.md", path.read_text(encoding="utf-8")):
            assert (REPOSITORY / page).exists(), f"{path.relative_to(REPOSITORY)}: {page}"
