"""
Imported first by every worker process: makes the standard library and psycopg cooperative.

Nothing of psycopg may be imported before, or its waits would block all greenlets.
"""

import os
import warnings
from typing import Any

os.environ["PSYCOPG_WAIT_FUNC"] = "wait_selector"
# That eventlet is only maintained is known, and is nameko's affair; nobody who starts a worker can act on it.
warnings.filterwarnings("ignore", message="(?s).*Eventlet is deprecated")

import eventlet  # noqa: E402

eventlet.monkey_patch()

import select  # noqa: E402  (eventlet's by now)

from eventlet.hubs import IOClosed, trampoline  # noqa: E402
from eventlet.patcher import original  # noqa: E402
from psycopg import OperationalError, waiting  # noqa: E402
from psycopg.waiting import READY_R, READY_W, WAIT_R, WAIT_W  # noqa: E402

_poll = original("select").poll
POLLIN, POLLOUT = 1, 4
_by_selector = waiting.wait


def wait_on_hub(generator: Any, fileno: int, interval: float = 0.0, timeout: float | None = None) -> Any:
    """
    Psycopg's waiting, by eventlet's hub itself.

    Its own makes a selector for every answer, which costs as much as the answer. What is
    ready already is taken without leaving the greenlet.
    """
    if timeout is not None:
        return _by_selector(generator, fileno, interval, timeout)
    try:
        wanted = next(generator)
        while True:
            wanted = generator.send(_ready(fileno, wanted) or _wait(fileno, wanted))
    except StopIteration as end:
        return end.value
    except IOClosed as error:
        raise OperationalError("connection socket closed") from error


def _ready(fileno: int, wanted: int) -> int:
    poll = _poll()
    poll.register(fileno, (POLLIN if wanted & WAIT_R else 0) | (POLLOUT if wanted & WAIT_W else 0))
    [(_, found)] = poll.poll(0) or [(fileno, 0)]
    broken = found & ~(POLLIN | POLLOUT)  # the next read or write will say how
    return (READY_R if found & POLLIN or broken else 0) | (READY_W if found & POLLOUT or broken else 0)


def _wait(fileno: int, wanted: int) -> int:
    if wanted & WAIT_R and wanted & WAIT_W:
        readable, writable, _ = select.select([fileno], [fileno], [])
        return (READY_R if readable else 0) | (READY_W if writable else 0)
    trampoline(fileno, read=bool(wanted & WAIT_R), write=bool(wanted & WAIT_W))
    return wanted


waiting.wait = wait_on_hub  # type: ignore[assignment]
