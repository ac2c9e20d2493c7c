"""What the environment may set for notifications, beside the settings common to all processes."""

import hashlib
import hmac
from email.utils import parseaddr

from pydantic import Field, SecretStr, field_validator

from shared.auth.keys import Keys
from shared.settings import Settings


class NotificationsSettings(Settings):
    """Where email and SMS are handed over, how often that is tried, and where the local mailbox listens."""

    smtp_url: str | None = Field(
        default=None,
        description="smtp://, smtp+starttls:// or smtps://user:password@host:port; unset means the local mailbox",
    )
    smtp_lookup_url: str | None = Field(
        default=None,
        description="Answers whether a mail was taken, asked with ?message_id=, as the local mailbox does; "
        "docs/decisions/0006-uncertain-sends.md",
    )
    mail_from: str = Field(default="Signpost <notices@signpost.example>", description="Sender of every email")
    sms_url: str | None = Field(
        default=None, description="Base address of a Twilio-compatible API; unset means the local mailbox"
    )
    sms_account: str = "ACsignpost"
    sms_token: SecretStr | None = Field(
        default=None, description="Signs requests and status callbacks; unset means one made from the link key"
    )
    sms_from: str = Field(default="+12025550100", description="Sending number, E.164")

    send_batch: int = Field(
        default=25, ge=1, description="Messages claimed together, at most this many uncertain at once"
    )
    send_lease_s: float = Field(default=45.0, gt=0, description="After this a claimed message counts as uncertain")
    send_timeout_s: float = Field(default=10.0, gt=0, description="Longest wait for one answer of a provider")
    send_attempts: int = Field(default=8, ge=1, description="Tries before a message has failed")
    send_backoff_s: float = Field(default=2.0, gt=0, description="Wait after the first failed try; doubles")
    send_backoff_max_s: float = Field(default=1800.0, gt=0)
    send_expiry_h: float = Field(default=72.0, gt=0, description="A message older than this is not sent any more")
    link_lifetime_days: int = Field(default=30, ge=1, description="How long an acknowledge link works")

    mailbox_host: str = Field(default="127.0.0.1", description="Address the local mailbox binds")
    mailbox_name: str | None = Field(
        default=None, description="Host name beside this machine's under which the mailbox answers, as in a container"
    )
    mailbox_smtp_port: int = Field(default=1025, ge=0, description="Local mailbox, SMTP; 0 takes any free port")
    mailbox_http_port: int = Field(default=8025, ge=0, description="Local mailbox, page and SMS; 0 takes any free port")

    @classmethod
    def of(cls, settings: Settings) -> "NotificationsSettings":
        """This service's settings where only the common ones were handed on."""
        return settings if isinstance(settings, NotificationsSettings) else cls(**settings.model_dump())

    @field_validator("mail_from")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if "@" not in parseaddr(value)[1]:
            raise ValueError(f"{value!r} is not an email address; write it as `Name <name@example.org>`")
        return value

    @property
    def smtp_address(self) -> str:
        return self.smtp_url or f"smtp://127.0.0.1:{self.mailbox_smtp_port}"

    @property
    def mail_lookup_address(self) -> str | None:
        """Where to ask whether a mail was taken; None if this provider cannot be asked."""
        if self.smtp_lookup_url or self.smtp_url:
            return self.smtp_lookup_url
        return f"http://127.0.0.1:{self.mailbox_http_port}/messages.json"

    @property
    def sms_address(self) -> str:
        return (self.sms_url or f"http://127.0.0.1:{self.mailbox_http_port}").rstrip("/")

    @property
    def mail_domain(self) -> str:
        return parseaddr(self.mail_from)[1].rpartition("@")[2]

    @property
    def link_key(self) -> str:
        """Signs acknowledge links."""
        return Keys.from_settings(self).link_key

    @property
    def sms_secret(self) -> str:
        """The SMS provider's token, as configured or derived, so that the embedded default needs none."""
        if self.sms_token is not None:
            return self.sms_token.get_secret_value()
        return hmac.new(self.link_key.encode(), b"sms token", hashlib.sha256).hexdigest()
