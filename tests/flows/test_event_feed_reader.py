"""The reader of docs/how-to/read-the-event-feed.md, as it stands there: catches up, follows, goes on after a kill."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from shared.database.database import Database
from shared.events.plans import PlanApproved, PlanSubmitted
from shared.testing.deployment import Deployment, wait_until
from tests.support.deployment import REPOSITORY

PAGE = REPOSITORY / "docs" / "how-to" / "read-the-event-feed.md"
TIMEOUT_S = 60


def program() -> str:
    found = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len(found) == 1, "the page has one program"
    return str(found[0])


class Reading:
    """The program as a process; what it printed."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.lines: list[str] = []
        self._process = process
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    def wait_for(self, number: int) -> list[str]:
        """Event ids, once there are so many."""
        wait_until(lambda: len(self.lines) >= number, timeout_s=TIMEOUT_S, what=f"{number} events read")
        return self.ids

    @property
    def ids(self) -> list[str]:
        return [line.split()[1] for line in self.lines]

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._thread.join()

    def _collect(self) -> None:
        assert self._process.stdout is not None
        self.lines.extend(line for line in map(str.strip, self._process.stdout) if line)


@contextmanager
def reading(deployment: Deployment, script: Path, token: str) -> Iterator[Reading]:
    environment = {
        "SIGNPOST_GATEWAY": deployment.gateway_url,
        "SIGNPOST_TOKEN": token,
        "SIGNPOST_TYPES": "plans.plan.approved.*,plans.plan.submitted.v1",
        "SIGNPOST_CURSOR": str(script.with_suffix(".cursor")),
    }
    process = subprocess.Popen([sys.executable, str(script)], env=environment, stdout=subprocess.PIPE, text=True)
    read = Reading(process)
    try:
        yield read
    finally:
        read.kill()


def publish(plans: Database, number: int) -> list[str]:
    """Facts about plans nobody has heard of; their ids."""
    with plans.transaction() as uow:
        named = {"plan_id": uuid4(), "student_id": uuid4(), "actor_id": uuid4()}
        facts = (PlanSubmitted if each % 2 else PlanApproved for each in range(number))
        return [str(uow.emit(fact(**named, version=each), version=each).id) for each, fact in enumerate(facts, 1)]


def test_the_reader_on_the_page_misses_nothing_and_keeps_the_order(deployment: Deployment, tmp_path: Path) -> None:
    script = tmp_path / "reader.py"
    script.write_text(program())
    with deployment:
        deployment.start()
        token = deployment.signpost("token", "--as", f"integrator:{uuid4()}", "--scope", "events:plans.*").strip()
        plans = Database.open(deployment.settings, "plans")
        first = publish(plans, 250)
        with reading(deployment, script, token) as reader:
            reader.wait_for(250)
            second = publish(plans, 20)
            seen = reader.wait_for(270)
        third = publish(plans, 30)
        with reading(deployment, script, token) as reader:
            reader.wait_for(30)
            fourth = publish(plans, 1)
            wait_until(lambda: fourth[0] in reader.ids, timeout_s=TIMEOUT_S, what="the last event")
            seen += reader.ids
        plans.dispose()

    # The page says so: killed between an event and its cursor, the reader is told that one event again.
    assert len(seen) - len(set(seen)) <= 1
    assert list(dict.fromkeys(seen)) == first + second + third + fourth
