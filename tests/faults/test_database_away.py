"""The database cut off, crashed and full: nothing is confirmed meanwhile, and all goes on by itself."""

import threading
import time
from collections.abc import Iterator

import pytest

from tests.conftest import leave_out
from tests.faults.conftest import Faults, Piping
from tests.support import private_postgres
from tests.support.engines import Missing
from tests.support.pipeline import numbered
from tests.support.pipeline_clients import Clients, Refusal
from tests.support.private_postgres import Server
from tests.support.running_pipeline import API, Pipeline
from tests.support.waiting import wait_until

RESUMED_S = 10.0
WORKERS = ("ledger", "mirror")
POSTGRESQL = Missing("PostgreSQL", "install it (Debian: `apt-get install postgresql`)")
SMALL_DISK = Missing("a disk to fill", "run as root where a tmpfs may be mounted")
SMALL_MIB = 220
PER_S = 60
ON_ITS_WAY_S = 0.2  # an answer that left before the crash
UNAVAILABLE = (503, "unavailable", "The service's database is away; nothing was changed.")


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of our own; on a small file system where one can be mounted."""
    with private_postgres.server(tmpfs_mib=SMALL_MIB) as found:
        if found is None:
            leave_out(request.config, POSTGRESQL)
        else:
            yield found


@pytest.fixture(scope="module")
def running(piping: Piping, server: Server) -> Iterator[Pipeline]:
    with piping(server=server.url) as opened:
        opened.start(API, *WORKERS)
        yield opened
        assert not any(opened.has_died(name) for name in opened.processes), "it should not need a restart"


def told(refused: list[Refusal]) -> set[tuple[object, ...]]:
    """What clients were told who could not be served."""
    return {(each.status, each.document["code"], each.document["detail"]) for each in refused}


class TestCutSessions:
    def test_lose_nothing(self, faults: Faults, running: Pipeline) -> None:
        cuts = faults.times(3, 20)
        with Clients(running, first=1000, per_second=PER_S) as clients:
            for number in range(cuts):
                clients.wait_answered(20)
                faults.say(f"cut {number + 1} of {cuts}")
                running.cut_sessions()
            clients.wait_answered(20)
        recovery_s = running.wait_settled()

        assert told(clients.refused) <= {UNAVAILABLE}
        faults.judge(
            "database away",
            f"every session cut {cuts} times",
            running.counts(of=clients.subjects),
            recovery_s=recovery_s,
            recovered_within_s=RESUMED_S,
        )


class TestCrashedDatabase:
    def test_is_waited_for(self, faults: Faults, running: Pipeline, server: Server) -> None:
        outages = [1.0, 10.0, 60.0] if faults.full else [2.0]
        resumed: list[float] = []
        for number, seconds in enumerate(outages):
            with Clients(running, first=2000 + 100 * number, per_second=PER_S) as clients:
                clients.wait_answered(30)
                faults.say(f"crashed for {seconds} s")
                server.crash()
                crashed_at = time.monotonic()
                threading.Event().wait(seconds)
                returning_at = time.monotonic()
                server.start()
                returned_at = time.monotonic()
                clients.wait_answered(30)
            running.wait_settled()
            resumed.append(time.monotonic() - returned_at)

            meanwhile = [at for at in clients.answered if crashed_at + ON_ITS_WAY_S < at < returning_at]
            assert meanwhile == [], "confirmed without a database"
            assert told(clients.refused) <= {UNAVAILABLE}

        faults.judge(
            "database away",
            f"crashed, and back after {', '.join(f'{seconds:g}' for seconds in outages)} s",
            running.counts(of=numbered(1000, first=2000)),
            recovery_s=max(resumed),
            recovered_within_s=RESUMED_S,
        )


class TestFullDisk:
    def test_refuses_changes_and_goes_on_once_there_is_room(
        self, request: pytest.FixtureRequest, faults: Faults, running: Pipeline, server: Server
    ) -> None:
        if not server.is_small:
            leave_out(request.config, SMALL_DISK)
        with Clients(running, first=3000, per_second=PER_S) as clients:
            clients.wait_answered(30)
            server.fill()
            wait_until(
                lambda: len(clients.refused) >= faults.times(10, 500), timeout_s=120, what="changes to be refused"
            )
            faults.say(f"full: {len(clients.refused)} changes refused")
            server.empty()
            server.ensure_started()
            room_at = time.monotonic()
            clients.wait_answered(30)
        running.wait_settled()

        assert "No space left on device" in server.log
        assert told(clients.refused) == {UNAVAILABLE}
        faults.judge(
            "database away",
            "disk full",
            running.counts(of=clients.subjects),
            recovery_s=time.monotonic() - room_at,
            recovered_within_s=RESUMED_S,
        )
