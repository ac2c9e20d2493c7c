"""One POST to an address that was checked, over a connection to that very address."""

import socket
import ssl
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing, suppress
from http.client import HTTPException, HTTPResponse
from time import monotonic
from urllib.parse import SplitResult

from services.gateway.webhooks.addresses import refusal_of
from services.gateway.webhooks.rules import REFUSED, Attempt, UrlRefused, checked_url, outcome_of
from shared.clock import Clock, SystemClock

TIMEOUT_S = 15.0
ANSWER_BYTES = 16_384
_ADDRESSES_TRIED = 3
USER_AGENT = "Signpost-Webhooks/1"

Resolve = Callable[[str, int], Sequence[str]]


class AddressRefused(Exception):
    """The name leads only to addresses nothing may be sent to."""


class Transport:
    """
    Sends webhooks over HTTP/1.1, a connection each.

    A name is resolved once per try; what is connected to is an address from that answer that passed the check, so
    a name that leads elsewhere a moment later changes nothing. Redirects are not followed, proxies not asked.
    """

    def __init__(
        self,
        *,
        ports: Collection[int],
        allow_local: bool = False,
        timeout_s: float = TIMEOUT_S,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._ports = ports
        self._allow_local = allow_local
        self._timeout_s = timeout_s
        self._resolve = resolve or addresses_of
        self._tls = tls or ssl.create_default_context()
        self._clock = clock or SystemClock()

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Attempt:
        """Send, and say what came of it; never raises for anything the other side does."""
        try:
            target = checked_url(url, allow_local=self._allow_local, ports=self._ports)
        except UrlRefused:  # allowed when it was registered, and no longer
            return Attempt(REFUSED)
        exchange = _Exchange(self._timeout_s)
        try:
            return self._post(exchange, target, headers, body)
        except AddressRefused:
            return Attempt(REFUSED)
        except (OSError, HTTPException, ValueError) as error:
            return Attempt("timeout" if exchange.is_over else _reason(error), address=exchange.address)
        finally:
            exchange.close()

    def _post(self, exchange: "_Exchange", target: SplitResult, headers: Mapping[str, str], body: bytes) -> Attempt:
        host, port = str(target.hostname), target.port or (443 if target.scheme == "https" else 80)
        connection = exchange.connect(self._permitted(host, port), port)
        if target.scheme == "https":
            connection = exchange.encrypt(connection, self._tls, host)
        connection.sendall(_request(target, headers, body))
        with closing(HTTPResponse(connection, method="POST")) as response:
            response.begin()
            if exchange.is_over:  # cut off by the deadline in the midst of the headers
                raise TimeoutError
            came = outcome_of(response.status, response.getheader("Retry-After"), now=self._clock.now())
            with suppress(OSError, HTTPException, ValueError):  # the status is the answer; the words are not read
                response.read(ANSWER_BYTES)
        return Attempt(came.outcome, came.status, came.retry_after_s, exchange.address)

    def _permitted(self, host: str, port: int) -> list[str]:
        found = list(dict.fromkeys(self._resolve(host, port)))
        permitted = [each for each in found if refusal_of(each, allow_loopback=self._allow_local) is None]
        if not permitted:
            raise AddressRefused
        return permitted[:_ADDRESSES_TRIED]


def addresses_of(host: str, port: int) -> list[str]:
    """
    The addresses a name leads to, IP literals included, in the order to try them.

    Raises:
        socket.gaierror: To none.
    """
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class _Exchange:
    """One connection with one deadline over all of it: a receiver that dribbles bytes does not push it back."""

    def __init__(self, timeout_s: float) -> None:
        self.address: str | None = None
        self.is_over = False
        self._timeout_s = timeout_s
        self._deadline = monotonic() + timeout_s
        self._connection: socket.socket | None = None
        self._handle: socket.socket | None = None  # a second one on the connection, to end it from outside
        self._timer: threading.Timer | None = None

    @property
    def _left_s(self) -> float:
        left_s = self._deadline - monotonic()
        if left_s <= 0:
            self.is_over = True
            raise TimeoutError
        return left_s

    def connect(self, addresses: Sequence[str], port: int) -> socket.socket:
        for number, address in enumerate(addresses):
            self.address = address
            connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
            try:
                connection.settimeout(self._left_s / (len(addresses) - number))
                connection.connect((address, port))
            except OSError:
                connection.close()
                if number == len(addresses) - 1:
                    raise
                continue
            break
        self._connection, self._handle = connection, connection.dup()
        self._timer = threading.Timer(self._left_s, self._end)
        self._timer.daemon = True
        self._timer.start()
        connection.settimeout(self._timeout_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def encrypt(self, connection: socket.socket, tls: ssl.SSLContext, host: str) -> socket.socket:
        encrypted = tls.wrap_socket(connection, server_hostname=host, do_handshake_on_connect=False)
        self._connection = encrypted
        encrypted.do_handshake()
        return encrypted

    def _end(self) -> None:
        self.is_over = True
        if self._handle is not None:
            with suppress(OSError):
                self._handle.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for each in (self._connection, self._handle):
            if each is not None:
                with suppress(OSError):
                    each.close()


def _request(target: SplitResult, headers: Mapping[str, str], body: bytes) -> bytes:
    host = f"[{target.hostname}]" if ":" in str(target.hostname) else str(target.hostname)
    path = (target.path or "/") + (f"?{target.query}" if target.query else "")
    lines = {
        "Host": host if target.port is None else f"{host}:{target.port}",
        "User-Agent": USER_AGENT,
        "Accept": "*/*",
        "Connection": "close",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode("ascii") + body


def _reason(error: Exception) -> str:
    """A slug for the log of deliveries; never the error's text."""
    match error:
        case socket.gaierror():
            return "name_not_found"
        case TimeoutError():
            return "timeout"
        case ssl.SSLCertVerificationError():
            return "certificate_refused"
        case ssl.SSLError():
            return "tls_failed"
        case ConnectionRefusedError():
            return "connection_refused"
        case ConnectionError():
            return "connection_lost"
        case HTTPException() | ValueError():
            return "answer_unreadable"
    return "unreachable"
