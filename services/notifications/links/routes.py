"""Pages behind a signed link: seeing never acknowledges, because mail scanners open every link they find."""

from typing import Any

from services.notifications.links.handlers import describe_notice, open_link
from services.notifications.links.rules import LinkExpired, LinkInvalid
from services.notifications.links.schemas import Acknowledgement, LinkDocument
from services.notifications.notices.handlers import acknowledge_notice
from services.notifications.settings import NotificationsSettings
from shared.web.routes import Call, Reply, Routes, public

link_routes = Routes(service="notifications", tag="links")


@link_routes.get(
    "/v1/links/{token}",
    summary="The notice behind a signed link, in the recipient's language",
    reply=LinkDocument,
    access=public(),
    problems=[LinkExpired, LinkInvalid],
)
def get_link(call: Call[Any]) -> Reply:
    settings = NotificationsSettings.of(call.settings)
    link, notice = open_link(call.path["token"], settings=settings, session=call.session, now=call.now)
    return Reply(
        describe_notice(link, notice, settings=settings, session=call.session),
        headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"},
    )


@link_routes.post(
    "/v1/links/{token}/acknowledge",
    summary="Acknowledge the notice behind a signed link; only the first time counts",
    reply=Acknowledgement,
    access=public(),
    problems=[LinkExpired, LinkInvalid],
)
def post_acknowledge(call: Call[Any]) -> Reply:
    settings = NotificationsSettings.of(call.settings)
    link, notice = open_link(call.path["token"], settings=settings, session=call.session, now=call.now)
    acknowledged_at = acknowledge_notice(link.notice_id, uow=call.uow)
    return Reply(Acknowledgement(notice_id=notice.notice_id, acknowledged_at=acknowledged_at))
