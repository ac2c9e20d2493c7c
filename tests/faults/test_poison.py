"""One event that cannot be applied, or kills whoever tries, among many: it stays alone, and can be replayed."""

from uuid import UUID

from shared.messaging.operations.dead_letters import list_dead_letters, replay
from tests.faults.conftest import Faults, Piping
from tests.support.pipeline import CURED, DELIVERY_LIMIT_VARIABLE, KILLER_SUBJECT, POISON_SUBJECT, numbered
from tests.support.running_pipeline import Pipeline
from tests.support.waiting import wait_until

PROMISE = "a poison message stays alone"
PORTION = 200
# Nothing is tried again within a test: whatever fails once is a dead letter.
NO_PATIENCE = {"SIGNPOST_MAX_ATTEMPTS": "1"}


def make_around(running: Pipeline, poison: UUID, *, changes: int) -> None:
    """So many changes, with the poison in the middle of a batch."""
    for portion in range(changes // PORTION):
        middle = [poison] if portion == changes // PORTION // 2 else []
        running.make([*numbered(PORTION // 2), *middle, *numbered(PORTION // 2 - len(middle))])


def cure_and_replay(running: Pipeline) -> None:
    [letter] = list_dead_letters(running.databases["mirror"])
    (running.settings.home / CURED).touch()
    with running.databases["mirror"].transaction() as uow:
        assert replay(uow, [letter.event_id], actor="ops") == 1


class TestPoison:
    def test_is_parked_alone_and_replayed(self, faults: Faults, piping: Piping) -> None:
        changes = faults.times(1_000, 10_000)
        with piping(extra=NO_PATIENCE) as running:
            make_around(running, POISON_SUBJECT, changes=changes)
            running.start("ledger", "mirror")
            running.wait_settled(timeout_s=180, but=1)
            assert running.unapplied() == {"dead": 1}
            faults.say("all others applied")

            cure_and_replay(running)
            recovery_s = running.wait_settled()

            faults.judge(PROMISE, f"1 in {changes:,} fails, and is replayed", running.counts(), recovery_s=recovery_s)

    def test_that_kills_its_consumer_is_given_up_alone(self, faults: Faults, piping: Piping) -> None:
        """Tried less often in the short form: each time costs the start of a process."""
        changes, limit = faults.times(1_000, 10_000), faults.times(2, 20)
        deaths = 0
        with piping(extra={**NO_PATIENCE, DELIVERY_LIMIT_VARIABLE: str(limit)}) as running:
            make_around(running, KILLER_SUBJECT, changes=changes)
            running.start("ledger")

            def given_up() -> bool:
                nonlocal deaths
                if running.has_died("mirror"):
                    deaths += 1
                    faults.say(f"death {deaths}, at most {limit + 1} expected")
                    running.spawn("mirror", {})
                return running.unapplied()["dead"] == 1

            running.spawn("mirror", {})
            wait_until(given_up, timeout_s=60 + 15 * limit, what="the killer to be given up")
            running.wait_settled(timeout_s=180, but=1)
            [letter] = list_dead_letters(running.databases["mirror"])
            assert (letter.error_class, letter.error) == ("GivenUp", "delivery limit")
            assert 0 < deaths <= limit + 1
            assert running.unapplied() == {"dead": 1}

            cure_and_replay(running)
            recovery_s = running.wait_settled()

            faults.judge(
                PROMISE,
                f"1 in {changes:,} kills its consumer {deaths} times, and is replayed",
                running.counts(),
                recovery_s=recovery_s,
            )
