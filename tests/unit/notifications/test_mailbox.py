"""The local mailbox: what real SMTP and HTTP clients hand it is kept, found and shown, on this machine alone."""

import asyncio
import smtplib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest
import requests

from services.notifications.delivery.ports import Accepted, Providers, Sms
from services.notifications.delivery.smtp import SmtpSender
from services.notifications.delivery.twilio import TwilioSmsSender
from services.notifications.mailbox.app import RunningMailbox, start_mailbox
from services.notifications.mailbox.rules import is_local_host, read_headers, read_letter
from services.notifications.mailbox.store import MailboxStore
from services.notifications.notices.sending import Outbound
from services.notifications.settings import NotificationsSettings
from tests.unit.notifications.stage import FINANCE, Stage, revised


@dataclass
class Mailbox:
    """A running mailbox, and senders that know where it is."""

    running: RunningMailbox
    settings: NotificationsSettings

    @property
    def url(self) -> str:
        return self.running.url

    def messages(self, **query: str) -> list[dict[str, Any]]:
        return requests.get(f"{self.url}/messages.json", params=query, timeout=5).json()["items"]

    def smtp_sender(self) -> SmtpSender:
        url = f"smtp://127.0.0.1:{self.running.smtp_port}"
        return SmtpSender(url, timeout_s=5, lookup_url=f"{self.url}/messages.json")

    def sms_sender(self, token: str | None = None) -> TwilioSmsSender:
        return TwilioSmsSender(
            self.url,
            account=self.settings.sms_account,
            token=token or self.settings.sms_secret,
            sender="+12025550100",
            timeout_s=5,
        )


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Mailbox]:
    settings = NotificationsSettings.model_validate({"home": tmp_path, "mailbox_smtp_port": 0, "mailbox_http_port": 0})
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    running = asyncio.run_coroutine_threadsafe(start_mailbox(settings), loop).result(10)
    yield Mailbox(running, settings)
    asyncio.run_coroutine_threadsafe(running.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()


def mail(subject: str = "Hello", message_id: str = "<1@signpost.example>") -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"] = "Signpost <notices@signpost.example>", "rosa@family.example"
    message["Subject"], message["Message-ID"] = subject, message_id
    message.set_content("Text for Rosa\n.dot\n")
    message.add_alternative("<p>HTML for <b>Rosa</b></p><script>alert(1)</script>", subtype="html")
    return message


class TestEmail:
    def test_takes_what_plain_smtplib_sends(self, mailbox: Mailbox) -> None:
        with smtplib.SMTP("127.0.0.1", mailbox.running.smtp_port) as client:
            client.send_message(mail())

        [item] = mailbox.messages()
        assert (item["kind"], item["to"], item["subject"]) == ("email", "rosa@family.example", "Hello")
        assert item["text"] == "Text for Rosa\n.dot\n"

    def test_takes_many_over_one_connection_and_can_be_asked_about_each(self, mailbox: Mailbox) -> None:
        sender = mailbox.smtp_sender()
        for number in range(30):
            assert sender.send(mail(message_id=f"<{number}@signpost.example>")) == Accepted()

        assert sender.find(mail(message_id="<7@signpost.example>")) == Accepted()
        assert sender.find(mail(message_id="<77@signpost.example>")) is None
        assert len(mailbox.messages()) == 30
        sender.close()

    def test_takes_an_address_beyond_ascii(self, mailbox: Mailbox) -> None:
        sender = mailbox.smtp_sender()
        message = mail()
        del message["To"]
        message["To"] = "señora@family.example"

        assert sender.send(message) == Accepted()

        assert mailbox.messages()[0]["to"] == "señora@family.example"
        sender.close()

    def test_keeps_a_copy_as_a_copy(self, mailbox: Mailbox) -> None:
        sender = mailbox.smtp_sender()
        sender.send(mail())
        sender.send(mail())

        assert len(mailbox.messages(message_id="<1@signpost.example>")) == 2
        sender.close()


class TestSms:
    def test_takes_and_finds_a_message(self, mailbox: Mailbox) -> None:
        sender, sms = mailbox.sms_sender(), Sms("+12025550143", "Signpost: hello")

        accepted = sender.send(sms)

        assert accepted.provider_id is not None
        assert accepted.provider_id.startswith("SM")
        assert sender.find(sms, since=datetime.now(UTC)) == accepted
        [item] = mailbox.messages(kind="sms")
        assert (item["to"], item["text"]) == ("+12025550143", "Signpost: hello")

    @pytest.mark.parametrize(("to", "body"), [("12", "x"), ("+12025550143", ""), ("+12025550143", "x" * 1601)])
    def test_refuses_what_twilio_refuses(self, mailbox: Mailbox, to: str, body: str) -> None:
        url = f"{mailbox.url}/2010-04-01/Accounts/{mailbox.settings.sms_account}/Messages.json"
        auth = (mailbox.settings.sms_account, mailbox.settings.sms_secret)

        answer = requests.post(url, data={"To": to, "From": "+1", "Body": body}, auth=auth, timeout=5)

        assert answer.status_code == 400
        assert isinstance(answer.json()["code"], int)

    def test_another_token_is_refused(self, mailbox: Mailbox) -> None:
        from services.notifications.delivery.ports import Away

        with pytest.raises(Away, match="login_refused"):
            mailbox.sms_sender("guessed").send(Sms("+12025550143", "hello"))


class TestPages:
    def test_lists_and_shows_messages_without_running_anything(self, mailbox: Mailbox) -> None:
        mailbox.smtp_sender().send(mail("<b>Bold</b>"))
        [item] = mailbox.messages()

        listing = requests.get(mailbox.url, timeout=5)
        page = requests.get(f"{mailbox.url}/messages/{item['id']}", timeout=5)
        letter = requests.get(f"{mailbox.url}/messages/{item['id']}/html", timeout=5)

        assert "&lt;b&gt;Bold&lt;/b&gt;" in listing.text
        assert "<script" not in page.text
        assert 'sandbox="' in page.text
        assert "script-src" not in letter.headers["Content-Security-Policy"]
        assert letter.headers["Content-Security-Policy"].startswith("sandbox")
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]

    def test_loads_nothing_from_elsewhere(self, mailbox: Mailbox) -> None:
        page = requests.get(mailbox.url, timeout=5).text

        assert "http://" not in page.replace(mailbox.url, "")
        assert "https://" not in page

    def test_an_unknown_message_is_not_found(self, mailbox: Mailbox) -> None:
        assert requests.get(f"{mailbox.url}/messages/nope", timeout=5).status_code == 404

    def test_another_host_name_is_refused(self, mailbox: Mailbox) -> None:
        answer = requests.get(mailbox.url, headers={"Host": "evil.example"}, timeout=5)

        assert answer.status_code == 403

    @pytest.mark.parametrize(
        ("host", "local"),
        [
            ("127.0.0.1:8025", True),
            ("localhost", True),
            ("LOCALHOST:1", True),
            ("[::1]:8025", True),
            ("[::1]", True),
            ("localhost.evil.example", False),
            ("127.0.0.1.evil.example:8025", False),
            ("", False),
            (None, False),
        ],
    )
    def test_knows_this_machines_names(self, host: str | None, local: bool) -> None:
        assert is_local_host(host) is local


class TestStore:
    def test_survives_a_restart(self, tmp_path: Path) -> None:
        store = MailboxStore(tmp_path / "m.sqlite3")
        store.add_sms("+1", "hello", {})
        store.close()

        again = MailboxStore(tmp_path / "m.sqlite3")

        assert [entry.content for entry in again.newest({})] == [b"hello"]
        again.close()

    def test_keeps_the_newest_alone(self, tmp_path: Path) -> None:
        store = MailboxStore(tmp_path / "m.sqlite3", capacity=100)
        for number in range(300):
            store.add_sms("+1", str(number), {})

        kept = [entry.content.decode() for entry in store.newest({}, limit=1000)]

        assert kept == [str(number) for number in range(299, 199, -1)]
        store.close()

    def test_is_readable_by_its_owner_alone(self, tmp_path: Path) -> None:
        MailboxStore(tmp_path / "m.sqlite3").close()

        assert (tmp_path / "m.sqlite3").stat().st_mode & 0o077 == 0


class TestReadLetter:
    @pytest.mark.parametrize(
        "content",
        [b"", b"\xff\xfe", b"Subject: x\r\nContent-Type: text/plain; charset=nonsense\r\n\r\nhello", b"no headers"],
    )
    def test_shows_anything(self, content: bytes) -> None:
        assert isinstance(read_letter(content).text, str)
        assert "Message-ID" not in read_headers(content)


class TestWholeWay:
    def test_a_plan_change_lands_in_the_mailbox_as_email_and_sms(self, mailbox: Mailbox, tmp_path: Path) -> None:
        stage = Stage(tmp_path / "service")
        stage.receive_family()
        providers = Providers(email=mailbox.smtp_sender(), sms=mailbox.sms_sender())
        stage.outbound = Outbound.open(stage.settings, stage.clock, providers)
        envelope = stage.receive(revised(unmet=(FINANCE,)))

        stage.send()

        by_kind = {item["kind"]: item for item in mailbox.messages()}
        assert by_kind["email"]["subject"] == "Cambió el plan de cursos de Maya"
        assert by_kind["email"]["correlation_id"] == str(envelope.correlation_id)
        assert by_kind["sms"]["text"].startswith("Signpost: your student's course plan changed.")
        assert stage.states() == [("email", "accepted"), ("email", "cancelled"), ("sms", "accepted")]
        providers.email.close()
