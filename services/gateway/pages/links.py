"""What stands behind a signed link: the notice from notifications, and the plan for whom the link is."""

import json

from pydantic import ValidationError

from services.gateway.pages.rules import ShownPlan, shown_plan
from services.gateway.pages.schemas import LinkedNotice
from services.gateway.proxy.upstreams import Answer, UpstreamAway, Upstreams, UpstreamTimeout
from services.gateway.settings import GatewaySettings
from shared.auth.tokens import issue_token
from shared.telemetry.logs import get_logger

log = get_logger(__name__)


class LinkRefused(Exception):
    """The notifications service did not accept the link."""

    def __init__(self, status: int) -> None:
        super().__init__(f"link refused with {status}")
        self.status = status


class SignedLinks:
    """Reads and acknowledges notices by their links."""

    def __init__(self, settings: GatewaySettings, upstreams: Upstreams) -> None:
        self._settings = settings
        self._upstreams = upstreams

    async def notice(self, token: str, *, headers: dict[str, str]) -> LinkedNotice:
        """
        Raises:
            LinkRefused: Expired, forged, or not for this person any more.
        """
        return _read(await self._ask("GET", f"/v1/links/{token}", headers))

    async def acknowledge(self, token: str, *, headers: dict[str, str]) -> None:
        """
        Raises:
            LinkRefused: As above; nothing was acknowledged.
        """
        await self._ask("POST", f"/v1/links/{token}/acknowledge", headers)

    async def plan(self, notice: LinkedNotice, *, headers: dict[str, str]) -> ShownPlan | None:
        """
        The student's plan as it is now; None if it cannot be had, which the page must survive.

        Asked in the name of the person the verified link is for, with a token that lives a
        minute: the plans service decides again whether they may read it.
        """
        token = issue_token(
            self._settings,
            role=notice.audience,
            person_id=notice.recipient_id,
            lifetime_s=self._settings.link_token_lifetime_s,
        )
        signed = headers | {"Authorization": f"Bearer {token}"}
        try:
            answer = await self._upstreams.ask(
                "plans",
                "GET",
                f"/v1/students/{notice.student_id}/plan",
                headers=signed,
                timeout_s=self._settings.home_timeout_s,
            )
        except (UpstreamAway, UpstreamTimeout):
            return None
        if answer.status != 200:
            return None
        try:
            return shown_plan(json.loads(answer.body))
        except (ValueError, LookupError, TypeError) as error:
            log.error("plan_unread", reason=type(error).__name__)
            return None

    async def _ask(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        try:
            answer = await self._upstreams.ask("notifications", method, path, headers=headers)
        except (UpstreamAway, UpstreamTimeout) as error:
            raise LinkRefused(error.status) from None
        if answer.status >= 400:
            raise LinkRefused(answer.status)
        return answer


def _read(answer: Answer) -> LinkedNotice:
    try:
        return LinkedNotice.model_validate_json(answer.body)
    except ValidationError as error:
        log.error("link_reply_unread", faults=[".".join(map(str, fault["loc"])) for fault in error.errors()])
        raise LinkRefused(502) from None
