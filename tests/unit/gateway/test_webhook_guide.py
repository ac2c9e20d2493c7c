"""The receiver of docs/how-to/receive-webhooks.md does what the page says."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from uuid import UUID

import pytest
from standardwebhooks import Webhook

from services.gateway.webhooks import deliveries as queue
from services.gateway.webhooks.rules import Attempt
from services.gateway.webhooks.signing import secret_of, signed_headers
from services.gateway.webhooks.tables import endpoints
from services.gateway.webhooks.transport import Transport
from shared.clock import SystemClock
from shared.testing import FakeClock
from shared.testing.deployment import free_port, wait_until
from tests.support.deployment import REPOSITORY
from tests.unit.gateway.webhooks import hooks_in

PAGE = REPOSITORY / "docs" / "how-to" / "receive-webhooks.md"
[PROGRAM] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


class Guide:
    """The program of the page, running."""

    def __init__(self, secret: str) -> None:
        self.port, self.said = free_port(), Queue[str]()
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env=os.environ | {"WEBHOOK_SECRET": secret, "PORT": str(self.port)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        Thread(target=self._listen, daemon=True).start()
        self.transport = Transport(ports=(), allow_local=True)
        refused = "connection_refused"
        wait_until(lambda: self.post({}, b"").outcome != refused, timeout_s=20, what="the receiver")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def post(self, headers: dict[str, str], body: bytes) -> Attempt:
        return self.transport.post(self.url, headers, body)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.put(line.strip())


@pytest.fixture
def secret() -> str:
    return secret_of(bytes(range(32)))


@pytest.fixture
def guide(secret: str) -> Iterator[Guide]:
    running = Guide(secret)
    yield running
    running.process.kill()
    running.process.wait()


def test_takes_what_is_genuine_once_and_refuses_the_rest(guide: Guide, secret: str) -> None:
    now, event_id = SystemClock().now(), UUID(int=5)
    body = b'{"type":"plans.plan.submitted.v1","subject":"s","subject_version":2}'
    other = secret_of(bytes(32))
    genuine = signed_headers(event_id, now, body, [secret])

    assert guide.post(genuine, body).status == 204
    assert guide.post(genuine, body).status == 204
    assert guide.post(signed_headers(event_id, now, body, [other, secret]), body).status == 204
    assert guide.post(genuine, body.replace(b"2", b"3")).status == 401
    assert guide.post(genuine | {"webhook-id": str(UUID(int=6))}, body).status == 401
    assert guide.post(signed_headers(event_id, now, body, [other]), body).status == 401
    assert guide.post(signed_headers(event_id, FakeClock().now(), body, [secret]), body).status == 401

    assert guide.said.get(timeout=5) == "plans.plan.submitted.v1 s 2"
    with pytest.raises(Empty):
        guide.said.get(timeout=0.2)


def test_takes_what_the_gateway_sends(tmp_path: Path) -> None:
    clock = FakeClock(SystemClock().now())
    with hooks_in(tmp_path, clock=clock) as hooks:
        endpoint = hooks.endpoint(f"http://127.0.0.1:{free_port()}/")
        guide = Guide(hooks.secret(endpoint))
        try:
            endpoint_url = guide.url
            with hooks.database.transaction() as uow:
                uow.session.execute(endpoints.update().values(url=endpoint_url))
                queue.queue_test(endpoint, uow=uow)
            hooks.send()

            assert guide.said.get(timeout=5) == f"gateway.webhook.tested.v1 {endpoint} 1"
        finally:
            guide.process.kill()
            guide.process.wait()


def test_the_library_agrees(secret: str) -> None:
    """And the library's verification accepts what we send, sorted body, non-ASCII and all."""
    body = '{"a":"ü"}'.encode()
    headers = signed_headers(UUID(int=5), SystemClock().now(), body, [secret_of(bytes(32)), secret])

    assert Webhook(secret).verify(body, headers) == {"a": "ü"}
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 5
