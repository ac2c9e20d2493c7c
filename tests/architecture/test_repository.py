"""What must not be in the repository: places of one machine, large files, addresses in lock files."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.deployment import REPOSITORY

LARGEST_BYTES = 1_048_576
LARGEST_MODULE_LINES = 500
# Written so that this file does not contain what it looks for.
MACHINE_PATHS = re.compile(r"(?<![\w.@:/}-])/(?:work|root|opt/pypi|home/\w+|Users/\w+)/\S")
REGISTRY_HOSTS = re.compile(r"(?:files\.pythonhosted|test\.pypi|registry\.(?:npmjs|yarnpkg))\.\w+")
NETWORK_ADDRESS = re.compile(r"https?://|git\+|file:|--(?:extra-)?index-url|--find-links")
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|NotImplemented" r"Error)\b")


def tracked() -> list[Path]:
    """Files under version control, or about to be, that exist."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    if listed.returncode != 0:
        pytest.skip("this copy is not a git repository")
    return [path for name in listed.stdout.split("\0") if name and (path := REPOSITORY / name).is_file()]


def text_of(path: Path) -> str:
    """The file's text; empty for one that is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def findings(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    return [
        f"{path.relative_to(REPOSITORY)}:{text.count(chr(10), 0, found.start()) + 1}: {found[0]}"
        for path in paths
        for text in [text_of(path)]
        for found in pattern.finditer(text)
    ]


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    assert findings(MACHINE_PATHS, tracked()) == []


def test_no_file_names_a_registry() -> None:
    assert findings(REGISTRY_HOSTS, tracked()) == []


def test_no_file_is_large() -> None:
    large = [str(path.relative_to(REPOSITORY)) for path in tracked() if path.stat().st_size > LARGEST_BYTES]

    assert large == []


def test_lock_files_hold_no_address_and_every_hash() -> None:
    locks = [path for path in tracked() if path.suffix == ".lock" or path.name == "package-lock.json"]

    assert {path.name for path in locks} >= {"requirements.lock", "requirements-dev.lock"}
    assert findings(NETWORK_ADDRESS, locks) == []
    for path in locks:
        if path.name.startswith("requirements"):
            for requirement in re.split(r"\n(?=\S)", path.read_text(encoding="utf-8").strip()):
                assert requirement.startswith("#") or "--hash=sha256:" in requirement, f"{path.name}: {requirement}"


def test_what_the_locks_pin_covers_what_the_project_asks_for() -> None:
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    run, develop = (
        {_normal(name) for name in re.findall(r"^([\w.-]+)(?:\[\w+\])?==", text, re.MULTILINE)}
        for text in (
            (REPOSITORY / "requirements.lock").read_text(encoding="utf-8"),
            (REPOSITORY / "requirements-dev.lock").read_text(encoding="utf-8"),
        )
    )

    assert _asked(project, "dependencies") <= run
    assert _asked(project, "dev") <= develop
    assert run <= develop


def test_no_code_is_unfinished() -> None:
    code = [path for path in tracked() if path.suffix == ".py" and path.parts[-2] != "architecture"]

    assert findings(UNFINISHED, code) == []


def test_no_module_is_too_long_to_read() -> None:
    long = {
        str(path.relative_to(REPOSITORY)): lines
        for path in tracked()
        if path.suffix == ".py" and (lines := text_of(path).count("\n")) >= LARGEST_MODULE_LINES
    }

    assert long == {}


def _asked(project: str, key: str) -> set[str]:
    block = re.search(rf"^{key} = \[\n(.*?)^\]", project, re.MULTILINE | re.DOTALL)
    assert block is not None
    return {_normal(name) for name in re.findall(r'^\s*"([\w.-]+)', block[1], re.MULTILINE)}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
