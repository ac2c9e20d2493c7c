"""
From a claimed message to what a provider is handed.

Here and behind an acknowledge link, and nowhere else, sealed personal data is opened.
"""

from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from services.notifications.delivery.mail import MailBuilder
from services.notifications.delivery.ports import Sms
from services.notifications.delivery.rules import status_callback_url
from services.notifications.links.rules import AcknowledgeLink, journey_url, sign_link
from services.notifications.notices.rules import ContactUnknown, NoAddress
from services.notifications.notices.settling import Claim
from services.notifications.settings import NotificationsSettings
from services.notifications.templates.rendering import Occasion, render_letter, render_sms
from services.notifications.templates.rules import supported_language
from shared.events.roster import SealedContact
from shared.sealing import Sealer


@dataclass(frozen=True)
class Composer:
    """Renders messages with what one deployment is configured to."""

    settings: NotificationsSettings
    sealer: Sealer
    link_key: str
    mail: MailBuilder

    @classmethod
    def of(cls, settings: NotificationsSettings) -> "Composer":
        return cls(settings, Sealer.from_settings(settings), settings.link_key, MailBuilder(settings.mail_from))

    def email(self, claim: Claim) -> EmailMessage:
        """
        Raises:
            NoAddress, ContactUnknown: There is nowhere to send it.
            Rejected: The address cannot stand in a header.
        """
        contact = self._contact(claim)
        if not contact.email:
            raise NoAddress("no_address")
        letter = render_letter(self._occasion(claim, contact))
        headers = {
            "Subject": letter.subject,
            "Date": format_datetime(claim.noticed_at),
            "Message-ID": self.mail_id(claim.message_id),
            "Content-Language": supported_language(claim.language),
            "X-Signpost-Correlation": str(claim.envelope.correlation_id),
        }
        return self.mail.build(to=contact.email, headers=headers, text=letter.text, html=letter.html)

    def sms(self, claim: Claim) -> Sms:
        """
        Raises:
            NoAddress, ContactUnknown: There is nowhere to send it.
        """
        contact = self._contact(claim)
        if not contact.phone:
            raise NoAddress("no_address")
        text = render_sms(self._occasion(claim, contact))
        return Sms(contact.phone, text, status_callback_url(self.settings.public_url, claim.message_id))

    def mail_id(self, message_id: UUID) -> str:
        """Always the same for a message of the ledger, so that a copy sent after doubt can be told as one."""
        return f"<{message_id}@{self.settings.mail_domain}>"

    def _contact(self, claim: Claim) -> SealedContact:
        if claim.sealed_contact is None:
            raise ContactUnknown("contact_unknown")
        return SealedContact.model_validate(self.sealer.open(claim.sealed_contact))

    def _occasion(self, claim: Claim, contact: SealedContact) -> Occasion:
        student = self.sealer.open(claim.sealed_name)
        expires_at = claim.noticed_at + timedelta(days=self.settings.link_lifetime_days)
        link = AcknowledgeLink(claim.notice_id, claim.recipient_id, claim.student_id, expires_at)
        return Occasion(
            template=claim.template,
            event=claim.event,
            audience=claim.audience,
            language=claim.language,
            student_given=str(student.get("given_name", "")),
            student_family=str(student.get("family_name", "")),
            recipient_given=contact.given_name,
            link=f"{self.settings.public_url.rstrip('/')}/a/{sign_link(link, self.link_key)}",
            journey=journey_url(self.settings.public_url, claim.envelope.correlation_id),
            reference=str(claim.envelope.correlation_id),
            expires_on=link.expires_at.astimezone(ZoneInfo(self.settings.time_zone)).date(),
        )
