"""What the README promises a newcomer, done as it says."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import requests

from shared.testing.deployment import free_port

ROOT = Path(__file__).parents[2]
MOST_MEMORY_MB = 600


@dataclass
class Started:
    """`signpost run`, up to the last line it prints before it waits."""

    process: subprocess.Popen[str]
    lines: list[str]

    def line(self, beginning: str) -> str:
        return next(line for line in self.lines if line.strip().startswith(beginning))


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SIGNPOST_")}
    own = {"SIGNPOST_MAILBOX_SMTP_PORT": str(free_port()), "SIGNPOST_MAILBOX_HTTP_PORT": str(free_port())}
    process = subprocess.Popen(
        [Path(sys.executable).with_name("signpost"), "run", "--students", "60", "--port", str(free_port())],
        cwd=tmp_path_factory.mktemp("clone"),
        env=inherited | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip())
        if line.startswith("Ctrl-C"):
            break
    assert lines[-1].startswith("Ctrl-C"), "\n".join(lines)
    yield Started(process, lines)
    if process.poll() is None:
        process.kill()


class TestRun:
    def test_is_ready_once_a_notice_was_delivered(self, started: Started) -> None:
        ready = started.line("ready")
        mailbox = started.line("Mailbox").split()[1]

        received = requests.get(f"{mailbox}/messages.json", timeout=5).json()["items"]

        assert re.match(r"ready http://127\.0\.0\.1:\d+ ", ready)
        assert any(message["kind"] == "email" for message in received)

    def test_prints_three_curl_lines_that_work_as_pasted(self, started: Started) -> None:
        curls = [line.strip() for line in started.lines if line.strip().startswith("curl")]

        answers = [
            json.loads(subprocess.check_output(["bash", "-c", line], cwd=ROOT)) for line in _here(started, curls)
        ]

        plan, journey, tasks = answers
        assert plan["courses"]
        assert {"plans.plan.revised.v1", "notifications.notice.delivered.v1"} <= {
            each["type"] for each in journey["steps"]
        }
        assert tasks["items"]

    def test_says_the_memory_in_use(self, started: Started) -> None:
        memory_mb = float(started.line("Memory").split()[1])

        assert 50 < memory_mb < MOST_MEMORY_MB

    def test_serves_its_documentation_without_reaching_out(self, started: Started) -> None:
        page = requests.get(started.line("API").split()[1], timeout=5)

        assert page.status_code == 200
        assert "connect-src 'self'" in page.headers["Content-Security-Policy"]

    def test_refuses_to_run_twice_in_one_folder(self, started: Started) -> None:
        again = subprocess.run(
            [Path(sys.executable).with_name("signpost"), "run", "--port", str(free_port())],
            cwd=_folder(started),
            capture_output=True,
            text=True,
            check=False,
        )

        assert again.returncode == 1
        assert "already runs" in again.stderr

    def test_ctrl_c_stops_it_and_leaves_no_process(self, started: Started) -> None:
        children = psutil.Process(started.process.pid).children(recursive=True)

        started.process.send_signal(signal.SIGINT)
        code = started.process.wait(30)

        assert code == 0
        assert psutil.wait_procs(children, timeout=5)[1] == []


class TestReadme:
    def test_names_only_commands_there_are(self) -> None:
        readme = (ROOT / "README.md").read_text()
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

        named = set(re.findall(r"\bmake ([a-z-]+)", readme))

        assert {"run", "test"} <= named <= targets

    def test_links_lead_somewhere(self) -> None:
        links = re.findall(r"\]\((?!http)([^)#]+)", (ROOT / "README.md").read_text())

        assert links
        assert [link for link in links if not (ROOT / link).exists()] == []


def _folder(started: Started) -> Path:
    return Path(psutil.Process(started.process.pid).cwd())


def _here(started: Started, lines: list[str]) -> list[str]:
    """The lines as they run from the folder where Signpost was started."""
    return [f"cd {_folder(started)} && {line}" for line in lines]
