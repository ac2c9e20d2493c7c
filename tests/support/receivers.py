"""Receivers of webhooks: real HTTP servers on the loopback that answer, or do not, as a test wants."""

import base64
import hashlib
import hmac
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What a receiver does with a request."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    until: threading.Event | None = None  # wait for this before answering
    reset: bool = False  # break the connection instead
    dribble_s: float | None = None  # a byte of the headers now and then, without end


@dataclass(frozen=True)
class Got:
    """One request as the receiver saw it."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body)
        return document


Behave = Callable[[Got], Answer]


class Receiver:
    """Takes webhooks on 127.0.0.1. `behave` may be replaced at any time."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.behave: Behave = lambda _: Answer()
        self.got: list[Got] = []
        self.at_once = self.most_at_once = 0
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._scheme = "http"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
            self._scheme = "https"
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}/hooks"

    @property
    def ids(self) -> list[str]:
        return [each.event_id for each in self.got]

    def answers(self, *answers: Answer) -> None:
        """One after the other; the last for all that follow."""
        left = list(answers)
        self.behave = lambda _: left.pop(0) if len(left) > 1 else left[0]

    def entered(self, got: Got) -> Answer:
        with self._lock:
            self.got.append(got)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            return self.behave(got)

    def left(self) -> None:
        with self._lock:
            self.at_once -= 1

    def close(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def receiver(**options: Any) -> Iterator[Receiver]:
    opened = Receiver(**options)
    try:
        yield opened
    finally:
        opened.close()


def verified(got: Got, secret: str) -> bool:
    """Whether a signature is right, by the words of the specification and none of anybody's code."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return f"v1,{expected}" in got.headers["webhook-signature"].split(" ")


def resolving(*answers: Sequence[str]) -> Callable[[str, int], Sequence[str]]:
    """A resolver that says one thing after another; the last for good."""
    left = list(answers)
    return lambda host, port: left.pop(0) if len(left) > 1 else left[0]


def _handler(owner: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                self._answer(owner.entered(Got(self.path, headers, body)))
            except OSError:
                self.close_connection = True
            finally:
                owner.left()

        def _answer(self, answer: Answer) -> None:
            if answer.until is not None:
                answer.until.wait(30)
            if answer.reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                return
            if answer.dribble_s is not None:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while not owner.stopping.wait(answer.dribble_s):
                    self.wfile.write(b"x")
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: Any) -> None:
            """Nothing: pytest shows what matters."""

    return Handler
