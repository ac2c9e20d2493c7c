"""Log lines: JSON, from whichever thread and library, and without an exception's text."""

import asyncio
import io
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from shared.telemetry.logs import configure_logs, get_logger

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """What has been logged so far. Logging is put back as it was."""
    written, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", written)
        configure_logs(service="plans-api")
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_line_says_whose_it_is_in_every_thread(lines: Lines) -> None:
    log = get_logger("shared.test")
    thread = threading.Thread(target=lambda: log.warning("from_a_thread", of="x"))
    thread.start()
    thread.join()
    logging.getLogger("some.library").warning("from %s", "a library")

    ours, theirs = lines()

    assert (ours["event"], ours["of"], ours["service"], ours["level"]) == ("from_a_thread", "x", "plans-api", "warning")
    assert (theirs["event"], theirs["logger"], theirs["service"]) == ("from a library", "some.library", "plans-api")


def test_a_service_named_in_the_line_wins(lines: Lines) -> None:
    get_logger("shared.test").warning("relay_waits", service="roster")

    assert lines()[0]["service"] == "roster"


@pytest.mark.parametrize("logger", ["shared.test", "aiohttp.server"])
def test_an_exception_is_told_without_its_text(lines: Lines, logger: str) -> None:
    log = get_logger(logger) if logger.startswith("shared") else logging.getLogger(logger)
    try:
        raise ValueError("maya@example.org is no number")
    except ValueError:
        log.exception("failed")

    [line] = lines()

    assert (line["event"], line["error"], line["level"]) == ("failed", "ValueError", "error")
    assert line["frames"][-1].endswith("in test_an_exception_is_told_without_its_text")
    assert "maya" not in json.dumps(line)


def test_what_asyncio_appends_is_left_out(lines: Lines) -> None:
    async def fail() -> None:
        raise ValueError("maya@example.org is no number")

    async def forget() -> None:
        task = asyncio.ensure_future(fail())
        await asyncio.wait([task])
        del task

    asyncio.run(forget())

    [line] = lines()
    assert (line["event"], line["error"]) == ("Task exception was never retrieved", "ValueError")
    assert "maya" not in json.dumps(line)
