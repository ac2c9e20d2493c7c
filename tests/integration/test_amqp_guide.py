"""The programs of docs/how-to/subscribe-by-amqp.md, as they stand there, on a real broker with published events."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from services.gateway.integrators.rules import Credentials
from tests.support import engines
from tests.support.deployment import REPOSITORY
from tests.support.integrators import Broker, approvals, broker_on
from tests.support.waiting import wait_until

PAGE = REPOSITORY / "docs" / "how-to" / "subscribe-by-amqp.md"
PROGRAM = re.compile(r"^```(?:python|javascript)\n(?:#|//) (\S+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PROGRAMS = dict(PROGRAM.findall(PAGE.read_text(encoding="utf-8")))
TIMEOUT_S = 60


@pytest.fixture(scope="module")
def broker(rabbit: engines.Rabbit, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with pytest.MonkeyPatch.context() as patch, broker_on(rabbit, tmp_path_factory.mktemp("broker"), patch) as found:
        yield found


@pytest.fixture(scope="module")
def subscriber(broker: Broker) -> Credentials:
    return broker.add("guide", "plans.plan.*")


@pytest.fixture(scope="module")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with amqplib in it."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("Node is not installed: the program for it was not run")
    folder = tmp_path_factory.mktemp("node")
    install = ["npm", "install", "--no-audit", "--no-fund", "amqplib"]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=180)
    if done.returncode:
        pytest.skip(f"amqplib could not be installed, the program for Node was not run: {done.stderr[-200:]}")
    return folder


class Running:
    """A program as a process, and the ids it printed."""

    def __init__(self, command: Sequence[str], credentials: Credentials, folder: Path) -> None:
        own = {
            "SIGNPOST_AMQP": credentials.url,
            "SIGNPOST_QUEUE": credentials.queue,
            "SIGNPOST_OFFSET": str(folder / "offset"),
        }
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            command, env=os.environ | own, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._thread = Thread(target=self._collect, daemon=True)
        self._thread.start()

    @property
    def ids(self) -> list[str]:
        return [words[1] for line in self.lines if len(words := line.split()) == 2 and "." in words[0]]

    def wait_for(self, last: str) -> list[str]:
        wait_until(lambda: last in self.ids, timeout_s=TIMEOUT_S, what=f"{last} in {self.lines[-5:]}")
        return self.ids

    def _collect(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(line for line in map(str.strip, self.process.stdout) if line)


@contextmanager
def running(name: str, credentials: Credentials, folder: Path) -> Iterator[Running]:
    script = folder / name
    script.write_text(PROGRAMS[name], encoding="utf-8")
    program = Running([sys.executable if name.endswith(".py") else "node", str(script)], credentials, folder)
    try:
        yield program
    finally:
        program.process.kill()
        program.process.wait()


def test_the_page_has_these_programs() -> None:
    assert list(PROGRAMS) == ["subscribe.py", "subscribe_cloudevents.py", "subscribe.js", "read_stream.py"]


def consumes_everything(name: str, broker: Broker, subscriber: Credentials, folder: Path) -> None:
    before = broker.publish(*approvals(30))
    with running(name, subscriber, folder) as program:
        program.wait_for(before[-1])
        meanwhile = broker.publish(*approvals(10))
        seen = program.wait_for(meanwhile[-1])
        wait_until(lambda: broker.held(subscriber.queue) == 0, timeout_s=10, what="all acknowledged")
    after = broker.publish(*approvals(5))
    with running(name, subscriber, folder) as program:
        again = program.wait_for(after[-1])
        wait_until(lambda: broker.held(subscriber.queue) == 0, timeout_s=10, what="all acknowledged")

    # What was printed and not acknowledged yet when a program was killed comes again: that of the one before, too.
    published = before + meanwhile + after
    assert list(dict.fromkeys(each for each in seen + again if each in published)) == published


@pytest.mark.parametrize("name", ["subscribe.py", "subscribe_cloudevents.py"])
def test_the_subscribers_in_python(name: str, broker: Broker, subscriber: Credentials, tmp_path: Path) -> None:
    consumes_everything(name, broker, subscriber, tmp_path)


def test_the_subscriber_in_node(broker: Broker, subscriber: Credentials, node_modules: Path) -> None:
    consumes_everything("subscribe.js", broker, subscriber, node_modules)


def test_a_subscriber_with_an_old_password_ends(broker: Broker, subscriber: Credentials, tmp_path: Path) -> None:
    old = Credentials(subscriber.user, "x", subscriber.queue, subscriber.url.replace(subscriber.password, "x"))

    with running("subscribe.py", old, tmp_path) as program:
        assert program.process.wait(TIMEOUT_S) == 1
        wait_until(lambda: program.lines, timeout_s=5, what="what it says")

    assert program.lines[-1] == "The password is not valid any more."


def test_the_reader_of_the_stream_goes_on_where_it_was(broker: Broker, tmp_path: Path) -> None:
    warehouse = broker.add("warehouse", reads_stream=True)
    first = broker.publish(*approvals(40))

    with running("read_stream.py", warehouse, tmp_path) as program:
        seen = program.wait_for(first[-1])
    wait_until(lambda: (tmp_path / "offset").exists(), timeout_s=5, what="the offset")
    second = broker.publish(*approvals(10))
    with running("read_stream.py", warehouse, tmp_path) as program:
        again = program.wait_for(second[-1])

    assert seen[-40:] == first
    assert again[-10:] == second
    assert len(again) <= 11  # the one it had printed when it was killed, at most
