"""HTTP processes: one service's API alone, or all of them and the gateway in one process."""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web

from services.composition import BEHIND_GATEWAY, api_app, settings_for
from shared.settings import Settings
from shared.telemetry.logs import configure_logs, get_logger
from shared.telemetry.traces import configure_traces

SHUTDOWN_S = 10.0
log = get_logger(__name__)


def run_api(service: str, settings: Settings) -> None:
    """Serve one service's API until SIGTERM or SIGINT."""
    configure_logs(service=f"{service}-api", level=settings.log_level)
    configure_traces(settings, service=f"{service}-api")
    asyncio.run(_serve_one(service, settings))


async def _serve_one(service: str, settings: Settings) -> None:
    stopped = stop_signal()
    async with serving(api_app(service, settings), host=settings.http_host, port=settings.http_port) as url:
        log.info("api_started", service=service, url=url)
        await stopped.wait()


def stop_signal() -> asyncio.Event:
    """An event set by the first SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    return stopped


@asynccontextmanager
async def serving(app: web.Application, *, host: str, port: int) -> AsyncIterator[str]:
    """Serve an application on a port (0 takes any free one); gives its URL, stops gracefully."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, reuse_address=True).start()
        bound_port = runner.addresses[0][1]
        yield f"http://{host}:{bound_port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def serving_all(
    settings: Settings, *, gateway_port: int, mailbox_url: str | None = None, services: Sequence[str] = BEHIND_GATEWAY
) -> AsyncIterator[str]:
    """
    Every service's API on a free loopback port and the gateway before them, in this process.

    Yields:
        The gateway's URL.
    """
    async with AsyncExitStack() as stack:
        urls = {
            f"{service}_url": await stack.enter_async_context(
                serving(api_app(service, settings), host="127.0.0.1", port=0)
            )
            for service in services
        }
        gateway = settings_for("gateway", settings).model_copy(update={**urls, "mailbox_url": mailbox_url})
        yield await stack.enter_async_context(
            serving(api_app("gateway", gateway), host=settings.http_host, port=gateway_port)
        )
