"""SMS sizes, signatures, and what each way of failing means to a sender."""

import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifications.delivery.mail import MailBuilder
from services.notifications.delivery.ports import (
    Accepted,
    Away,
    CannotTell,
    Deferred,
    NotHandedOver,
    Rejected,
    Sms,
    Unknown,
)
from services.notifications.delivery.rules import is_signed_by, sms_size, twilio_signature
from services.notifications.delivery.smtp import SmtpAddress, SmtpSender
from services.notifications.delivery.twilio import TwilioSmsSender


class TestSmsSize:
    @pytest.mark.parametrize(
        ("text", "encoding", "units", "segments"),
        [
            ("", "GSM-7", 0, 1),
            ("a" * 160, "GSM-7", 160, 1),
            ("a" * 161, "GSM-7", 161, 2),
            ("a" * 306, "GSM-7", 306, 2),
            ("a" * 307, "GSM-7", 307, 3),
            ("€" * 80, "GSM-7", 160, 1),
            ("é ñ ¿ à ü", "GSM-7", 9, 1),
            ("ó" * 70, "UCS-2", 70, 1),
            ("ó" * 71, "UCS-2", 71, 2),
            ("\u2068Maya\u2069", "UCS-2", 6, 1),
            ("😀" * 35, "UCS-2", 70, 1),
            ("😀" * 36, "UCS-2", 72, 2),
        ],
    )
    def test_counts(self, text: str, encoding: str, units: int, segments: int) -> None:
        size = sms_size(text)

        assert (size.encoding, size.units, size.segments) == (encoding, units, segments)

    def test_an_extended_character_is_not_split(self) -> None:
        assert sms_size("a" * 152 + "€" + "a" * 152).segments == 3

    def test_a_surrogate_pair_is_not_split(self) -> None:
        assert sms_size("ó" * 66 + "😀" + "ó" * 66).segments == 3

    @given(st.text(max_size=700))
    def test_never_fewer_segments_than_the_units_need(self, text: str) -> None:
        size = sms_size(text)
        alone, part = (160, 153) if size.encoding == "GSM-7" else (70, 67)

        assert (size.segments == 1) == (size.units <= alone)
        if size.segments > 1:
            assert -(-size.units // part) <= size.segments <= -(-size.units // (part - 1))


class TestTwilioSignature:
    def test_fits_the_example_of_the_documentation(self) -> None:
        form = {
            "CallSid": "CA1234567890ABCDE",
            "Caller": "+14158675309",
            "Digits": "1234",
            "From": "+14158675309",
            "To": "+18005551212",
        }

        signature = twilio_signature("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", form)

        assert signature == "RSOYDt4T1cUTdK1PDd93/VVr8B8="

    def test_refuses_another_form_and_garbage(self) -> None:
        signature = twilio_signature("secret", "http://x/", {"a": "1"})

        assert is_signed_by("secret", signature=signature, url="http://x/", form={"a": "1"})
        assert not is_signed_by("secret", signature=signature, url="http://x/", form={"a": "2"})
        assert not is_signed_by("secret", signature="ñ", url="http://x/", form={"a": "1"})


class TestSmtpSender:
    @pytest.mark.parametrize(
        ("script", "outcome", "reason"),
        [
            ({"DATA.": "250 taken"}, Accepted, ""),
            ({"RCPT": "550 no such user"}, Rejected, "recipient_refused"),
            ({"RCPT": "450 try later"}, Deferred, "recipient_refused"),
            ({"MAIL": "550 not from you"}, Deferred, "sender_refused"),
            ({"DATA": "451 later"}, Deferred, "message_refused"),
            ({"DATA.": "554 spam"}, Rejected, "message_refused"),
            ({"DATA.": "452 full"}, Deferred, "message_refused"),
            ({"RCPT": "hang up"}, Deferred, "connection_lost"),
            ({"DATA": "hang up"}, Deferred, "connection_lost"),
            ({"DATA.": "hang up"}, Unknown, "connection_lost"),
        ],
    )
    def test_each_answer_has_its_meaning(self, script: dict[str, str], outcome: type, reason: str) -> None:
        with scripted_smtp(script) as port:
            sender = SmtpSender(f"smtp://127.0.0.1:{port}", timeout_s=2)

            result = outcome_of(sender, mail())

            assert type(result) is outcome
            assert getattr(result, "reason", "") == reason
            sender.close()

    def test_a_refused_message_leaves_the_connection_usable(self) -> None:
        with scripted_smtp({"RCPT": ["550 no", "250 ok"]}) as port:
            sender = SmtpSender(f"smtp://127.0.0.1:{port}", timeout_s=2)

            assert type(outcome_of(sender, mail())) is Rejected
            assert type(outcome_of(sender, mail())) is Accepted
            sender.close()

    def test_a_server_that_cannot_be_reached_is_away(self) -> None:
        sender = SmtpSender(f"smtp://127.0.0.1:{free_port()}", timeout_s=1)

        assert type(outcome_of(sender, mail())) is Away

    def test_an_address_that_needs_an_extension_the_server_lacks_is_rejected(self) -> None:
        with scripted_smtp({}) as port:
            sender = SmtpSender(f"smtp://127.0.0.1:{port}", timeout_s=2)

            assert outcome_of(sender, mail(to="señor@family.example")).reason == "address_unsupported"
            sender.close()

    def test_without_a_lookup_address_it_cannot_be_asked(self) -> None:
        with pytest.raises(CannotTell):
            SmtpSender("smtp://127.0.0.1:1").find(mail())

    def test_a_password_never_appears_in_the_complaint_about_an_address(self) -> None:
        with pytest.raises(ValueError, match="SIGNPOST_SMTP_URL") as refusal:
            SmtpAddress.parse("http://user:hunter2@mail.example")

        assert "hunter2" not in str(refusal.value)

    def test_reads_an_address(self) -> None:
        address = SmtpAddress.parse("smtps://u%40x:p%2Fw@mail.example")

        assert (address.host, address.port, address.user, address.password) == ("mail.example", 465, "u@x", "p/w")

    def test_a_dot_at_the_start_of_a_line_arrives_as_one(self) -> None:
        with scripted_smtp({}) as port:
            sender = SmtpSender(f"smtp://127.0.0.1:{port}", timeout_s=2)
            message = mail()
            message.set_content(".hidden\n..two\n")

            sender.send(message)
            sender.close()

        assert b"\r\n..hidden\r\n...two\r\n" in scripted_smtp.received[-1]


class TestMailBuilder:
    def build(self, **changes: Any) -> EmailMessage:
        given: dict[str, Any] = {
            "to": "rosa@family.example",
            "headers": {"Subject": "Cambió"},
            "text": "té",
            "html": "<p>té</p>",
        }
        return MailBuilder("Signpost <notices@signpost.example>").build(**(given | changes))

    def test_is_read_by_a_plain_mail_reader(self) -> None:
        read = message_from_bytes(self.build().as_bytes(), policy=default)

        assert read["Subject"] == "Cambió"
        assert read["From"] == "Signpost <notices@signpost.example>"
        assert [part.get_content_type() for part in read.walk()] == ["multipart/alternative", "text/plain", "text/html"]
        assert [part.get_content() for part in read.iter_parts()] == ["té", "<p>té</p>"]
        assert read.defects == []
        assert all(part.defects == [] for part in read.iter_parts())

    def test_every_line_is_one_that_smtp_carries(self) -> None:
        content = self.build(text="x" * 5000, html="ñ" * 5000).as_bytes()

        assert content.count(b"\n") == content.count(b"\r\n")
        assert max(map(len, content.split(b"\r\n"))) <= 998

    @given(st.text(), st.text())
    def test_brings_any_text_back_as_it_was(self, text: str, html: str) -> None:
        read = message_from_bytes(self.build(text=text, html=html).as_bytes(), policy=default)

        assert [part.get_payload(decode=True).decode() for part in read.iter_parts()] == [text, html]

    @pytest.mark.parametrize("to", ["", "rosa", "rosa@", "a@b.example\r\nBcc: c@d.example", "a@b.example, c@d.example"])
    def test_refuses_what_is_not_one_address(self, to: str) -> None:
        with pytest.raises(Rejected, match="address_unreadable"):
            self.build(to=to)

    @pytest.mark.parametrize("name", ["Subject", "Message-ID", "X-Signpost-Correlation"])
    def test_refuses_a_line_break_in_a_header(self, name: str) -> None:
        with pytest.raises(ValueError, match=r"linefeed|[Ii]nvalid"):
            self.build(headers={name: "Hello\r\nBcc: all@example.org"})


class TestTwilioSmsSender:
    @pytest.mark.parametrize(
        ("status", "body", "outcome", "reason"),
        [
            (201, {"sid": "SM1"}, Accepted, ""),
            (400, {"code": 21211, "message": "The number +12025550143 is not valid"}, Rejected, "provider_21211"),
            (400, {}, Rejected, "rejected"),
            (401, {"code": 20003}, Away, "login_refused"),
            (429, {"code": 20429}, Deferred, "rate_limited"),
            (503, {}, Deferred, "unavailable"),
            (500, {}, Unknown, "status_500"),
            (504, {}, Unknown, "status_504"),
        ],
    )
    def test_each_answer_has_its_meaning(self, status: int, body: dict, outcome: type, reason: str) -> None:
        with http_server(status, body) as url:
            sender = TwilioSmsSender(url, account="AC1", token="secret", sender="+1", timeout_s=2)

            result = outcome_of(sender, Sms("+12025550143", "hello"))

            assert type(result) is outcome
            assert getattr(result, "reason", "") == reason

    def test_an_endpoint_that_cannot_be_reached_is_away(self) -> None:
        sender = TwilioSmsSender(f"http://127.0.0.1:{free_port()}", account="AC1", token="s", sender="+1")

        assert type(outcome_of(sender, Sms("+12025550143", "hello"))) is Away

    def test_an_answer_that_never_comes_is_unknown(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            sender = TwilioSmsSender(url, account="AC1", token="s", sender="+1", timeout_s=0.2)

            assert type(outcome_of(sender, Sms("+12025550143", "hello"))) is Unknown

    def test_finds_a_message_by_number_and_text(self) -> None:
        sent = [
            {"sid": "SM1", "body": "other", "status": "delivered"},
            {"sid": "SM2", "body": "hello", "status": "failed"},
            {"sid": "SM3", "body": "hello", "status": "sent"},
        ]
        with http_server(200, {"messages": sent}) as url:
            sender = TwilioSmsSender(url, account="AC1", token="s", sender="+1", timeout_s=2)

            found = sender.find(Sms("+12025550143", "hello"), since=datetime.now(UTC))

            assert found == Accepted("SM3")
            assert sender.find(Sms("+12025550143", "bye"), since=datetime.now(UTC)) is None


def outcome_of(sender: SmtpSender | TwilioSmsSender, message: object) -> Accepted | NotHandedOver:
    try:
        return sender.send(message)  # type: ignore[arg-type]
    except NotHandedOver as refusal:
        return refusal


def mail(to: str = "rosa@family.example") -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = "Signpost <notices@signpost.example>", to, "Hello"
    message["Message-ID"] = "<1@signpost.example>"
    message.set_content("Hello")
    return message


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class scripted_smtp:  # noqa: N801 - reads as a function
    """An SMTP server that answers each command as the script says; "hang up" drops the connection."""

    received: list[bytes] = []

    def __init__(self, script: dict[str, str | Sequence[str]]) -> None:
        self._script = {name: [given] if isinstance(given, str) else list(given) for name, given in script.items()}
        self._server = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> int:
        threading.Thread(target=self._serve, daemon=True).start()
        return int(self._server.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as stream:
                self._talk(stream)

    def _talk(self, stream) -> None:
        def say(line: str) -> None:
            stream.write(line.encode() + b"\r\n")
            stream.flush()

        say("220 ready")
        while line := stream.readline():
            verb = line.split()[0].decode().upper().partition(":")[0]
            defaults = {"DATA": "354 go", "QUIT": "221 bye"}
            answer = self._answer(verb, defaults.get(verb, "250 ok"))
            if answer == "hang up":
                return
            say(answer)
            if answer.startswith("354"):
                content = b""
                while (line := stream.readline()) and line != b".\r\n":
                    content += line
                scripted_smtp.received.append(content)
                answer = self._answer("DATA.", "250 taken")
                if answer == "hang up":
                    return
                say(answer)

    def _answer(self, name: str, default: str) -> str:
        answers = self._script.get(name)
        if not answers:
            return default
        return answers.pop(0) if len(answers) > 1 else answers[0]


@contextmanager
def http_server(status: int, body: dict) -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def do_GET(self) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
