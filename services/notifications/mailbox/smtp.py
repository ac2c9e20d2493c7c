"""The mailbox's SMTP server."""

import asyncio
from functools import partial

from aiosmtpd.smtp import SMTP, Envelope, Session

from services.notifications.mailbox.store import MailboxStore

LARGEST_MAIL = 10 * 1024 * 1024
HOST_NAME = "mailbox.signpost.example"


class _Keep:
    """Takes every message, and says so only once it is stored."""

    def __init__(self, store: MailboxStore) -> None:
        self._store = store

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content or b""
        content = content.encode() if isinstance(content, str) else content
        for recipient in envelope.rcpt_tos:
            await asyncio.get_running_loop().run_in_executor(None, self._store.add_email, recipient, content)
        return "250 OK"


async def serve_smtp(store: MailboxStore, *, host: str, port: int) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    protocol = partial(
        SMTP,
        _Keep(store),
        hostname=HOST_NAME,
        ident="Signpost mailbox",
        data_size_limit=LARGEST_MAIL,
        enable_SMTPUTF8=True,
        timeout=300,
        loop=loop,
    )
    return await loop.create_server(protocol, host, port)
