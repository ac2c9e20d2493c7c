"""What an SMS provider reports later."""

from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from pydantic import BaseModel, Field

from services.notifications.delivery.rules import is_signed_by, outcome_of_report, status_callback_url
from services.notifications.notices.settling import record_report
from services.notifications.settings import NotificationsSettings
from shared.problems import NotFound, Problem
from shared.web.routes import Call, Reply, Routes, public

delivery_routes = Routes(service="notifications", tag="delivery")


class SignatureWrong(Problem):
    """This report is not signed by the SMS provider."""

    code = "signature-wrong"
    status = 403


class ReportQuery(BaseModel):
    """Which message a report is about."""

    message: UUID = Field(description="As in the callback address given to the provider")


@delivery_routes.post(
    "/v1/sms/status",
    summary="Status callback of the SMS provider: a form, signed with X-Twilio-Signature",
    query=ReportQuery,
    access=public(),
    problems=[SignatureWrong, NotFound],
)
def post_sms_status(call: Call[bytes]) -> Reply:
    settings = NotificationsSettings.of(call.settings)
    message_id = _message_id(call)
    form = dict(parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True))
    signed = is_signed_by(
        settings.sms_secret,
        signature=call.headers.get("X-Twilio-Signature", ""),
        url=status_callback_url(settings.public_url, message_id),
        form=form,
    )
    if not signed:
        raise SignatureWrong("X-Twilio-Signature does not fit the callback address and the form.")
    reported = outcome_of_report(form.get("MessageStatus", ""))
    if reported is not None and not record_report(
        message_id, reported, provider_id=form.get("MessageSid"), uow=call.uow
    ):
        raise NotFound
    return Reply(status=204)


def _message_id(call: Call[Any]) -> UUID:
    try:
        return UUID(call.query.get("message", ""))
    except ValueError:
        raise NotFound from None
