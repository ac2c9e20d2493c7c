"""A TCP proxy that misbehaves on demand: loses answers, goes silent, refuses, resets."""

import socket
import struct
import threading
from contextlib import suppress
from typing import Literal
from urllib.parse import urlsplit

Fault = Literal["none", "lose_answers", "silence", "refuse"]
_RESET = struct.pack("ii", 1, 0)


class Chaos:
    """
    Passes connections to a target until told otherwise.

        with Chaos(5672) as proxy:
            url = proxy.before("amqp://guest:guest@127.0.0.1:5672/vhost")
            proxy.fault = "lose_answers"

    Faults: `lose_answers` swallows what the target says, `silence` keeps connections open and passes
    nothing, `refuse` resets new connections; `reset()` breaks the present ones.
    """

    def __init__(self, target_port: int, target_host: str = "127.0.0.1") -> None:
        self._target = (target_host, target_port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.fault: Fault = "none"
        self.swallowed = self.passed = 0  # bytes
        self._sockets: set[socket.socket] = set()
        self._closed = False

    def __enter__(self) -> "Chaos":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.reset()

    def before(self, url: str) -> str:
        """The URL by which the target of `url` is reached through this proxy."""
        parts = urlsplit(url)
        return url.replace(f"{parts.hostname}:{parts.port}", f"127.0.0.1:{self.port}")

    def turn_to(self, target_port: int) -> None:
        """Pass new connections to another target, and break the present ones, as a load balancer does."""
        self._target = (self._target[0], target_port)
        self.reset()

    def reset(self) -> None:
        """Break every present connection with a TCP reset."""
        for each in list(self._sockets):
            self._break(each)

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.fault == "refuse":
                self._break(client)
                continue
            try:
                server = socket.create_connection(self._target)
            except OSError:
                self._break(client)
                continue
            self._sockets |= {client, server}
            for source, sink, answers in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pass, args=(source, sink, answers), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while received := source.recv(65536):
                if self.fault == "silence" or (answers and self.fault == "lose_answers"):
                    self.swallowed += len(received)
                    continue
                sink.sendall(received)
                self.passed += len(received)
        for each in (source, sink):
            self._sockets.discard(each)
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _break(self, connection: socket.socket) -> None:
        self._sockets.discard(connection)
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
