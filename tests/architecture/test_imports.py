"""The rules of who may import whom: the contracts hold, and the processes keep apart at run time too."""

import ast
import subprocess
import sys
from pathlib import Path

from services.composition import SERVICES
from tests.support.deployment import REPOSITORY


def test_the_contracts_hold() -> None:
    """Those in .importlinter."""
    result = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert result.returncode == 0, result.stdout


def test_event_contracts_import_pydantic_and_nothing_else() -> None:
    allowed = {"pydantic", "pydantic_core", "shared.events", *sys.stdlib_module_names}
    for path in sorted((REPOSITORY / "shared" / "events").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Import():
                    names = [alias.name for alias in node.names]
                case ast.ImportFrom():
                    assert node.level == 0, f"{path.name}: relative import"
                    names = [node.module or ""]
                case _:
                    continue
            for name in names:
                roots = {name.partition(".")[0], ".".join(name.split(".")[:2])}
                assert roots & allowed, f"{path.name}: {name}"


def loaded_by(statement: str, *unwanted: str) -> list[str]:
    """Which of the unwanted packages a fresh interpreter has loaded after a statement."""
    code = f"import sys\n{statement}\nprint(*[name for name in {unwanted!r} if name in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def test_workers_load_no_aiohttp() -> None:
    workers = ", ".join(f"services.{service}.worker" for service in SERVICES)

    assert loaded_by(f"import services.worker_process, {workers}", "aiohttp") == []


def test_apis_load_no_green_threads() -> None:
    apis = ", ".join(f"services.{service}.api" for service in SERVICES)

    assert loaded_by(f"import services.web_process, {apis}", "eventlet", "nameko") == []
