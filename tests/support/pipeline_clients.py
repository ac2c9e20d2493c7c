"""The clients of the pipeline of fault tests: they change things, and ask again until they are answered."""

import http.client
import json
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from uuid import UUID, uuid4

from shared.testing.tokens import bearer
from tests.support.pipeline import ACTOR, numbered
from tests.support.running_pipeline import Pipeline
from tests.support.waiting import wait_until


@dataclass(frozen=True)
class Refusal:
    """An answer other than 200, as the client read it."""

    status: int
    document: dict[str, object]
    at: float


class Clients:
    """
    Threads that change subjects through the API, each request repeated with its key until it is answered.

    They go on as long as the `with` block lasts, several with the same subjects, so that versions are contested.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        writers: int = 6,
        subjects: int = 40,
        first: int = 1,
        per_second: float | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.subjects = numbered(subjects, first=first)
        self._headers = bearer(pipeline.settings, "ops", ACTOR)
        self._pause_s = writers / per_second if per_second else 0.0
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._series = uuid4().hex
        self.answered: list[float] = []
        self.refused: list[Refusal] = []
        self.failed: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(writers)]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join(60)

    def wait_answered(self, more: int = 1, *, timeout_s: float = 60.0) -> None:
        """Until so many more changes have been confirmed."""
        self.wait_total(len(self.answered) + more, timeout_s=timeout_s)

    def wait_total(self, total: int, *, timeout_s: float = 60.0) -> None:
        """Until so many changes have been confirmed in all."""
        wait_until(
            lambda: len(self.answered) >= total or self.failed, timeout_s=timeout_s, what=f"{total} confirmed changes"
        )
        assert not self.failed, self.failed

    def _run(self, number: int) -> None:
        randomness, connection = random.Random(number), None
        due = time.monotonic()
        try:
            for turn in count():
                subject = randomness.choice(self.subjects)
                headers = {**self._headers, "Idempotency-Key": f"{self._series}-{number}-{turn}"}
                while not self._ending.is_set():
                    connection = connection or http.client.HTTPConnection(
                        "127.0.0.1", self.pipeline.settings.http_port, timeout=15
                    )
                    if self._attempt(connection, subject, headers):
                        break
                    connection.close()
                    connection = None
                    self._ending.wait(0.1)
                due = max(due + self._pause_s, time.monotonic())  # what an outage held up is not made up for
                if self._ending.wait(due - time.monotonic()):
                    return
        except BaseException as error:
            self.failed.append(error)

    def _attempt(self, connection: http.client.HTTPConnection, subject: UUID, headers: Mapping[str, str]) -> bool:
        """One request; True if the change was confirmed."""
        try:
            connection.request("POST", f"/v1/subjects/{subject}/changes", headers=dict(headers))
            answer = connection.getresponse()
            document = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            return False
        with self._lock:
            if answer.status == 200:
                self.answered.append(time.monotonic())
                self.pipeline.answered[UUID(document["event_id"])] = subject
            else:
                self.refused.append(Refusal(answer.status, document, time.monotonic()))
        return answer.status == 200
