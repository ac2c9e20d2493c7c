"""A real plan change through the gateway, followed to the notice it causes."""

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
from pydantic import BaseModel

from shared.auth.tokens import issue_token
from shared.settings import Settings

LONGEST_WAIT_S = 60.0
LOOK_AGAIN_S = 0.02
DELIVERED = "notifications.notice.delivered.v1"


class DemonstrationFailed(Exception):
    """The change did not come out as a delivered notice; the text says how far it came."""


class Cast(BaseModel):
    """Who plays in the demonstration: a family of the sample district, and a course to add and drop again."""

    student_id: UUID
    counselor_id: UUID
    guardian_id: UUID
    course: str
    grade: int
    term: str

    @staticmethod
    def path(settings: Settings) -> Path:
        return settings.home / "demonstration.json"

    @classmethod
    def read(cls, settings: Settings) -> "Cast":
        return cls.model_validate_json(cls.path(settings).read_text())

    def write(self, settings: Settings) -> None:
        self.path(settings).write_text(self.model_dump_json(indent=2))


@dataclass(frozen=True)
class Demonstration:
    """What was shown, to be told to whoever started the system."""

    cast: Cast
    correlation_id: str
    seconds: float


async def prove_a_plan_change(settings: Settings, gateway_url: str) -> Demonstration:
    """
    Change the demonstration student's plan and wait until a notice of it was delivered.

    Raises:
        DemonstrationFailed: It was refused, or no notice came in time.
    """
    cast = Cast.read(settings)
    token = issue_token(settings, role="counselor", person_id=cast.counselor_id, lifetime_s=600)
    plan_url = f"{gateway_url}/v1/students/{cast.student_id}/plan"
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as client:
        plan, etag = await _read(client, plan_url)
        started = time.monotonic()
        async with client.post(
            f"{plan_url}/changes", json={"changes": [_toggle(cast, plan)]}, headers={"If-Match": etag}
        ) as response:
            if response.status != 200:
                raise DemonstrationFailed(f"The plan change was refused: {await response.text()}")
            correlation_id = response.headers["Correlation-Id"]
        await _await_notice(client, f"{gateway_url}/v1/journeys/{correlation_id}")
        return Demonstration(cast, correlation_id, time.monotonic() - started)


def _toggle(cast: Cast, plan: dict[str, Any]) -> dict[str, Any]:
    """Add the course, or drop it if an earlier run has added it."""
    planned = any(each["code"] == cast.course for each in plan["courses"])
    if planned:
        return {"action": "drop", "code": cast.course}
    return {"action": "add", "code": cast.course, "grade": cast.grade, "term": cast.term}


async def _read(client: aiohttp.ClientSession, url: str) -> tuple[dict[str, Any], str]:
    deadline = time.monotonic() + LONGEST_WAIT_S
    while True:
        async with client.get(url) as response:
            if response.status == 200:
                return await response.json(), response.headers["ETag"]
            if time.monotonic() > deadline:
                raise DemonstrationFailed(f"The plan cannot be read: {response.status} {await response.text()}")
        await asyncio.sleep(LOOK_AGAIN_S)


async def _await_notice(client: aiohttp.ClientSession, url: str) -> None:
    deadline = time.monotonic() + LONGEST_WAIT_S
    seen: list[str] = []
    while time.monotonic() < deadline:
        async with client.get(url) as response:
            if response.status == 200:
                seen = [step["type"] for step in json.loads(await response.text())["steps"]]
                if DELIVERED in seen:
                    return
        await asyncio.sleep(LOOK_AGAIN_S)
    raise DemonstrationFailed(f"No notice was delivered within {LONGEST_WAIT_S:.0f} s; the journey so far: {seen}.")
