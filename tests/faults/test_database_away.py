"""The database cut off, crashed and full: nothing is confirmed meanwhile, and all goes on by itself."""

import threading
import time
from collections.abc import Iterator

import pytest

from tests.conftest import leave_out
from tests.faults.conftest import Faults, Piping
from tests.support import private_postgres
from tests.support.engines import Missing
from tests.support.private_postgres import Server
from tests.support.running_pipeline import API, Clients, Refusal
from tests.support.waiting import wait_until

RESUMED_S = 10.0
WORKERS = ("ledger", "mirror")
POSTGRESQL = Missing("PostgreSQL", "install it (Debian: `apt-get install postgresql`)")
SMALL_MIB = 220
UNAVAILABLE = (503, "unavailable", "The service's database is away; nothing was changed.")


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with private_postgres.server() as found:
        if found is None:
            leave_out(request.config, POSTGRESQL)
        else:
            yield found


@pytest.fixture
def small_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server on a file system that is soon full."""
    try:
        with private_postgres.server(tmpfs_mib=SMALL_MIB) as found:
            if found is None:
                leave_out(request.config, POSTGRESQL)
            else:
                yield found
    except PermissionError as error:
        leave_out(request.config, Missing("a disk to fill", f"{error}; run as root where file systems may be mounted"))


def told(refused: list[Refusal]) -> set[tuple[object, ...]]:
    """What clients were told who could not be served."""
    return {(each.status, each.document["code"], each.document["detail"]) for each in refused}


class TestCutSessions:
    def test_lose_nothing(self, faults: Faults, piping: Piping) -> None:
        cuts = faults.times(3, 20)
        with piping() as running:
            running.start(API, *WORKERS)
            with Clients(running, per_second=60) as clients:
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
                running.counts(),
                recovery_s=recovery_s,
                recovered_within_s=RESUMED_S,
            )


class TestCrashedDatabase:
    def test_is_waited_for(self, faults: Faults, piping: Piping, server: Server) -> None:
        outages = [2.0] if not faults.full else [1.0, 10.0, 60.0]
        resumed: list[float] = []
        with piping(server=server.url) as running:
            running.start(API, *WORKERS)
            for seconds in outages:
                with Clients(running, per_second=60) as clients:
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

                meanwhile = [at for at in clients.answered if crashed_at + 0.2 < at < returning_at]
                assert meanwhile == [], "confirmed without a database"
                assert told(clients.refused) <= {UNAVAILABLE}

            faults.judge(
                "database away",
                f"crashed, and back after {', '.join(f'{seconds:g}' for seconds in outages)} s",
                running.counts(),
                recovery_s=max(resumed),
                recovered_within_s=RESUMED_S,
            )


class TestFullDisk:
    def test_refuses_changes_and_goes_on_once_there_is_room(
        self, faults: Faults, piping: Piping, small_server: Server
    ) -> None:
        with piping(server=small_server.url) as running:
            running.start(API, *WORKERS)
            with Clients(running, per_second=60) as clients:
                clients.wait_answered(30)
                small_server.fill()
                wait_until(lambda: len(clients.refused) >= 10, timeout_s=60, what="changes to be refused")
                faults.say(f"full: {len(clients.refused)} changes refused")
                full_at = time.monotonic()
                small_server.empty()
                small_server.ensure_started()
                clients.wait_answered(30)
                answered_after_s = time.monotonic() - full_at
            running.wait_settled()
            recovery_s = time.monotonic() - full_at

            assert told(clients.refused) == {UNAVAILABLE}
            assert answered_after_s < faults.within(RESUMED_S)
            faults.judge(
                "database away",
                "disk full",
                running.counts(),
                recovery_s=recovery_s,
                recovered_within_s=RESUMED_S,
            )
