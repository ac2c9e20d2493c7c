"""`GET /v1/events/stream`: live, resumed, authorized anew with each portion, ended with a reason."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select

from services.gateway.feed import hub as hub_module
from services.gateway.feed import stream as stream_module
from services.gateway.feed import tables
from shared.auth.tables import disclosure_log
from shared.auth.tokens import TokenExpired, TokenVerifier
from shared.events import roster
from tests.unit.gateway.feeding import (
    COUNSELOR,
    MOTHER,
    STRANGER,
    STUDENT,
    Said,
    approved,
    everything,
    everything_about_the_student,
    family,
    guardian,
    next_event,
    next_said,
    page,
    signed,
    tell,
    types,
)
from tests.unit.gateway.world import World, asynchronous, gateway, problem

QUICK = {"feed_poll_s": 0.01, "feed_heartbeat_s": 60.0}


@asynccontextmanager
async def streaming(world: World, headers: dict[str, str], **query: str) -> AsyncIterator[aiohttp.ClientResponse]:
    async with world.client.get("/v1/events/stream", headers=headers, params=query) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "text/event-stream"
        yield response


async def take(response: aiohttp.ClientResponse, number: int) -> list[Said]:
    return [await next_event(response) for _ in range(number)]


class TestStream:
    @asynchronous
    async def test_tells_what_happens_from_now_on(self, tmp_path: Path) -> None:
        async with gateway(tmp_path, **QUICK) as world:
            family(world)
            tell(world, approved())
            async with streaming(world, signed(world, "counselor", COUNSELOR)) as response:
                start = await next_said(response)
                tell(world, *everything_about_the_student())
                said = await take(response, 6)
                whole = await everything(world, signed(world, "counselor", COUNSELOR))

        assert start.id is not None
        assert start.data == ""
        assert [each.document for each in said] == whole[-6:]
        assert len({each.id for each in said}) == 6

    @asynchronous
    async def test_goes_on_after_the_last_id_in_the_order_of_the_pages(self, tmp_path: Path) -> None:
        async with gateway(tmp_path, **QUICK) as world:
            family(world)
            tell(world, *(approved(version=number) for number in range(450)))
            headers = signed(world, "counselor", COUNSELOR)
            pages = await everything(world, headers, types="plans.*")
            start = (await page(world, headers, limit=1))["next"]
            async with streaming(world, headers, after=start, types="plans.*") as response:
                first = await take(response, 300)
            resumed = headers | {"Last-Event-ID": str(first[-1].id)}
            async with streaming(world, resumed, after="not looked at", types="plans.*") as response:
                rest = await take(response, 150)
                tell(world, approved(version=450))
                rest += await take(response, 1)
            cursor = str(first[-1].id)
            by_page = await everything(world, headers, after=cursor, types="plans.*")

        versions = [each.document["data"]["version"] for each in first + rest]
        assert versions == list(range(451))
        assert [event["data"]["version"] for event in pages] == list(range(450))
        assert [event["data"]["version"] for event in by_page] == list(range(300, 451))

    @asynchronous
    async def test_a_court_order_is_heeded_in_mid_stream(self, tmp_path: Path) -> None:
        async with gateway(tmp_path, **QUICK) as world:
            link = guardian(MOTHER, STUDENT)
            tell(world, link)
            headers = signed(world, "guardian", MOTHER)
            async with streaming(world, headers, types="plans.*,catalog.*") as response:
                await next_said(response)
                tell(world, approved(version=1))
                before = await next_event(response)
                order = roster.GuardianshipRestricted(
                    guardianship_id=link.guardianship_id, guardian_id=MOTHER, student_id=STUDENT, barred=True, rights=()
                )
                tell(world, order, version=2)
                tell(world, approved(version=2), *everything_about_the_student()[5:6])
                after = await next_event(response)

        assert before.document["data"]["version"] == 1
        assert types([after.document]) == ["catalog.course.retired"]

    @asynchronous
    async def test_what_an_integrator_is_sent_is_disclosed_before(self, tmp_path: Path) -> None:
        async with gateway(tmp_path, **QUICK) as world:
            headers = signed(world, "integrator", STRANGER, scope="events:plans.*")
            async with streaming(world, headers) as response:
                await next_said(response)
                tell(world, approved(), *everything_about_the_student()[1:3])
                await next_event(response)

                with world.database.reading() as session:
                    disclosed = session.execute(select(disclosure_log.c.student_id)).scalars().all()
        assert disclosed == [STUDENT]

    @asynchronous
    async def test_says_where_the_reader_stands_when_nothing_is_for_it(self, tmp_path: Path) -> None:
        async with gateway(tmp_path, feed_poll_s=0.01, feed_heartbeat_s=0.2) as world:
            headers = signed(world, "ops", STRANGER)
            async with streaming(world, headers, types="roster.*") as response:
                start = await next_said(response)
                tell(world, approved())
                marks = [await next_said(response) for _ in range(3)]
            resumed = await page(world, headers, after=marks[-1].id)

        assert all(mark.comments == ["still here"] and not mark.data for mark in marks)
        assert marks[-1].id != start.id
        assert resumed["items"] == []

    @asynchronous
    async def test_reads_once_for_many(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        reads: list[Any] = []
        read = tables.events_in

        def counted(*arguments: Any, **named: Any) -> Any:
            reads.append(arguments)
            return read(*arguments, **named)

        monkeypatch.setattr(tables, "events_in", counted)
        async with gateway(tmp_path, **QUICK, feed_streams_per_person=40) as world:
            family(world)
            headers = signed(world, "counselor", COUNSELOR)
            responses = [await world.client.get("/v1/events/stream", headers=headers) for _ in range(40)]
            for response in responses:
                await next_said(response)
            reads.clear()
            tell(world, *(approved(version=number) for number in range(20)))
            said = await asyncio.gather(*(take(response, 20) for response in responses))
            for response in responses:
                response.close()

        assert {tuple(each.document["data"]["version"] for each in one) for one in said} == {tuple(range(20))}
        assert len(reads) == 1

    @asynchronous
    async def test_a_batch_authorized_a_while_ago_is_read_anew(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hub_module, "FRESH_S", -1.0)
        async with gateway(tmp_path, **QUICK) as world:
            family(world)
            async with streaming(world, signed(world, "counselor", COUNSELOR)) as response:
                await next_said(response)
                tell(world, approved(version=7))
                said = await next_event(response)

        assert said.document["data"]["version"] == 7


class TestEnd:
    @asynchronous
    async def test_comes_with_the_token_s(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        verify, expired = TokenVerifier.verify, False

        async def until_expired(verifier: TokenVerifier, token: str) -> Any:
            if expired:
                raise TokenExpired
            return await verify(verifier, token)

        monkeypatch.setattr(TokenVerifier, "verify", until_expired)
        async with gateway(tmp_path, **QUICK) as world:
            family(world)
            async with streaming(world, signed(world, "counselor", COUNSELOR)) as response:
                await next_said(response)
                expired = True
                tell(world, approved())
                said = await next_event(response)
                with pytest.raises(EOFError):
                    await next_said(response)

        assert (said.event, said.document["reason"]) == ("closing", "token-expired")

    @asynchronous
    async def test_is_told_when_the_server_stops(self, tmp_path: Path) -> None:
        async with gateway(tmp_path, **QUICK) as world:
            async with streaming(world, signed(world, "ops", STRANGER)) as response:
                await next_said(response)
                stopping = asyncio.create_task(world.client.server.close())
                said = await next_event(response)
            await stopping

        assert (said.event, said.document["reason"]) == ("closing", "stopping")

    @asynchronous
    async def test_comes_to_a_reader_who_does_not_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stream_module, "SEND_BUFFER_BYTES", 4_096)
        async with gateway(tmp_path, **QUICK, feed_patience_s=0.3) as world:
            headers = signed(world, "ops", STRANGER)
            start = (await page(world, headers))["next"]
            for _ in range(4):
                tell(world, *(approved() for _ in range(500)))
            received = await _read_late(world, headers, start, pause_s=1.5)

        assert received.count(b"\nid: ") < 2_000
        assert b'event: closing\ndata: {"reason": "too-slow"' in received
        assert received.endswith(b"\r\n0\r\n\r\n")

    @asynchronous
    async def test_keeps_only_as_many_as_allowed(self, tmp_path: Path) -> None:
        async with gateway(tmp_path, **QUICK, feed_streams_per_person=2, feed_streams=3) as world:
            headers, others = signed(world, "ops", STRANGER), signed(world, "ops", MOTHER)
            async with streaming(world, headers) as first, streaming(world, headers):
                refused = await world.client.get("/v1/events/stream", headers=headers)
                async with streaming(world, others):
                    full = await world.client.get("/v1/events/stream", headers=others)
                assert first.status == 200

            for response in (refused, full):
                assert (await problem(response))["code"] == "too-many-streams"
                assert response.headers["Retry-After"] == "5"


async def _read_late(world: World, headers: dict[str, str], after: str, *, pause_s: float) -> bytes:
    """All bytes of a stream, for a client with a small buffer that begins to read after a pause."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, (world.client.host, world.client.port))
        lines = [f"GET /v1/events/stream?after={after} HTTP/1.1", "Host: x", *(f"{k}: {v}" for k, v in headers.items())]
        await loop.sock_sendall(connection, ("\r\n".join(lines) + "\r\n\r\n").encode())
        await asyncio.sleep(pause_s)
        received = bytearray()
        while portion := await asyncio.wait_for(loop.sock_recv(connection, 65_536), timeout=10):
            received += portion
        return bytes(received)
