"""What messages say, in both languages: meaning, plain words, and nothing that could break out of its place."""

import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from babel.messages.extract import extract_from_dir

from services.notifications.delivery.rules import sms_size
from services.notifications.templates.rendering import (
    FOLDER,
    MESSAGES,
    Occasion,
    render_letter,
    render_page,
    render_sms,
    translations_of,
)
from services.notifications.templates.rules import Wording, supported_language
from shared.events.contract import Event
from shared.events.plans import UnmetRequirement
from tests.unit.notifications.stage import (
    ENGLISH,
    FINANCE,
    accepted,
    approved,
    flipped,
    proposed,
    revised,
    standing,
    submitted,
)

LINK = "https://signpost.example/a/" + "x" * 241

EVENTS: dict[str, tuple[Event, str]] = {
    "plan_revised": (revised(unmet=(FINANCE,)), "guardian"),
    "plan_approved": (approved(), "guardian"),
    "match_accepted": (accepted(), "student"),
    "plan_off_track": (flipped(), "counselor"),
    "plan_repaired": (flipped(unmet=()), "counselor"),
    "approve_match": (proposed(), "counselor"),
    "review_plan": (submitted(), "counselor"),
}


def occasion(template: str = "plan_revised", language: str = "en", **changes: Any) -> Occasion:
    event, audience = EVENTS[template]
    values: dict[str, Any] = {
        "template": template,
        "event": event,
        "audience": audience,
        "language": language,
        "student_given": "Maya",
        "student_family": "Quintanilla",
        "recipient_given": "Rosa",
        "link": LINK,
        "journey": "https://signpost.example/v1/journeys/1",
        "reference": "5e6f3a34",
        "expires_on": date(2026, 10, 15),
    }
    return Occasion(**(values | changes))


class TestEveryMessage:
    @pytest.mark.parametrize("language", ["en", "es"])
    @pytest.mark.parametrize("template", MESSAGES)
    def test_renders_in_every_form(self, template: str, language: str) -> None:
        letter = render_letter(occasion(template, language))

        assert letter.subject
        assert LINK in letter.text
        assert LINK in letter.html
        assert "Rosa" in letter.text
        assert "%(" not in letter.subject + letter.text + letter.html

    @pytest.mark.parametrize("language", ["en", "es"])
    @pytest.mark.parametrize("template", MESSAGES)
    def test_sms_are_short_cheap_and_name_nobody(self, template: str, language: str) -> None:
        text = render_sms(occasion(template, language))

        size = sms_size(text)
        assert size.encoding == "GSM-7"
        assert size.segments <= 3
        assert len(text) - len(LINK) <= 110
        assert "Maya" not in text
        assert "Quintanilla" not in text

    @pytest.mark.parametrize("template", MESSAGES)
    def test_loads_nothing_from_anywhere(self, template: str) -> None:
        html = render_letter(occasion(template)).html

        assert re.findall(r"(?:src|srcset|background)=|url\(|@import|<link|<script", html) == []

    @pytest.mark.parametrize("template", MESSAGES)
    def test_a_hostile_name_stays_text(self, template: str) -> None:
        hostile = occasion(
            template, student_given='<b onload="x">', student_family="{{ 7*7 }}", recipient_given="<script>"
        )

        letter, page = render_letter(hostile), render_page(hostile)

        for html in (letter.html, page.html):
            assert "<b onload" not in html
            assert "<script>" not in html
            assert "49" not in html

    @pytest.mark.parametrize("template", MESSAGES)
    def test_a_line_break_in_a_name_reaches_no_subject(self, template: str) -> None:
        letter = render_letter(occasion(template, student_given="Maya\r\nBcc: everybody@example.org"))

        assert "\n" not in letter.subject
        assert "\r" not in letter.subject

    @pytest.mark.parametrize("template", [name for name in MESSAGES if EVENTS[name][1] != "counselor"])
    def test_families_read_plain_words(self, template: str) -> None:
        text = render_letter(occasion(template)).text.partition("http")[0]

        assert reading_grade(text) <= 8

    def test_every_text_has_a_spanish_translation(self) -> None:
        methods = [("**.py", "python"), ("**.jinja", "jinja2")]
        spanish = translations_of("es")
        missing = []

        for _, _, message, _, _ in extract_from_dir(str(FOLDER), method_map=methods):
            single = message[0] if isinstance(message, tuple) else message
            plural = message[1] if isinstance(message, tuple) else None
            translated = spanish.ngettext(single, plural, 2) if plural else spanish.gettext(single)
            if translated == (plural or single) and single != "%(course)s (%(credits)s): %(when)s":
                missing.append(single)

        assert missing == []

    def test_no_catalog_entry_is_left_from_a_text_that_is_gone(self) -> None:
        methods = [("**.py", "python"), ("**.jinja", "jinja2")]
        used = {
            m if isinstance(m, str) else m[0] for _, _, m, _, _ in extract_from_dir(str(FOLDER), method_map=methods)
        }

        entries = re.findall(r'^msgid "(.+)"$', Path(FOLDER, "locales", "es.po").read_text(), re.MULTILINE)

        assert [entry for entry in entries if entry not in used] == []


class TestPlanRevised:
    def test_says_what_was_taken_out_added_and_moved_and_when(self) -> None:
        text = render_letter(occasion()).text

        assert "Personal Finance (0.5 credit): 11th grade, first semester" in text
        assert "Ceramics (0.5 credit): 11th grade, first semester" in text
        assert "Chemistry: from 11th grade, all year to 12th grade, second semester" in text
        assert text.index("TAKEN OUT") < text.index("ADDED") < text.index("MOVED")

    def test_says_it_in_spanish(self) -> None:
        letter = render_letter(occasion(language="es-MX"))

        assert letter.subject == "Cambió el plan de cursos de Maya"
        assert "Ceramics (0.5 crédito): 11.º grado, primer semestre" in letter.text
        assert "Maya ahora necesita 0.5 crédito más en Personal Finance para graduarse." in letter.text

    def test_says_what_a_new_gap_does_to_graduation(self) -> None:
        text = render_letter(occasion()).text

        assert "Maya now needs 0.5 more credit in Personal Finance to graduate." in text
        assert "on track" not in text

    def test_says_that_nothing_changed_for_graduation(self) -> None:
        letter = render_letter(occasion(event=revised()))

        assert "Maya is still on track to graduate." in letter.text

    def test_says_that_a_gap_was_closed(self) -> None:
        event = revised().model_copy(update={"standing": standing(met=("Personal Finance",))})

        assert "With this change, Maya is on track to graduate." in render_letter(occasion(event=event)).text

    def test_keeps_old_gaps_apart_from_new_ones(self) -> None:
        event = revised().model_copy(update={"standing": standing((FINANCE, ENGLISH), new=(FINANCE,))})

        text = render_letter(occasion(event=event)).text

        assert "Maya now needs 0.5 more credit in Personal Finance to graduate." in text
        assert "Maya still needs 1 more credit in English to graduate." in text

    def test_does_not_list_every_open_line_of_a_young_plan(self) -> None:
        gaps = tuple(UnmetRequirement(id=str(n), title=f"Area {n}", short_by=Decimal(1)) for n in range(12))
        event = revised().model_copy(update={"standing": standing(gaps)})

        text = render_letter(occasion(event=event)).text

        assert text.count("Maya still needs") == 4
        assert "And 8 more requirements." in text

    def test_without_a_name_it_still_reads(self) -> None:
        letter = render_letter(occasion(student_given="", student_family="", recipient_given=""))

        assert letter.subject == "Your student's course plan changed"
        assert letter.text.startswith("Hello,\n")

    def test_says_why_the_reader_gets_it(self) -> None:
        text = render_letter(occasion()).text

        assert "Your school lists you as a parent or guardian of Maya." in text
        assert "5e6f3a34" in text


class TestCounselorMail:
    def test_names_the_student_in_full_in_the_body_alone(self) -> None:
        letter = render_letter(occasion("plan_off_track"))

        assert "Maya Quintanilla" in letter.text
        assert "Quintanilla" not in letter.subject
        assert "https://signpost.example/v1/journeys/1" in letter.text

    def test_says_what_would_close_the_gap(self) -> None:
        text = render_letter(occasion("plan_off_track", event=flipped(unmet=(ENGLISH,)))).text

        assert "This would help: English 12 or Writing." in text

    def test_lists_the_proposed_partners(self) -> None:
        assert "- Lakeside Clinic" in render_letter(occasion("approve_match")).text


class TestWording:
    @pytest.mark.parametrize(
        ("tag", "language"),
        [("es", "es"), ("es-MX", "es"), ("ES-us", "es"), ("en-GB", "en"), ("so", "en"), ("", "en"), ("??", "en")],
    )
    def test_finds_a_language_we_write(self, tag: str, language: str) -> None:
        assert supported_language(tag) == language

    @pytest.mark.parametrize(
        ("amount", "text"), [("0.5", "0.5 credit"), ("1", "1 credit"), ("1.00", "1 credit"), ("2.25", "2.25 credits")]
    )
    def test_counts_credits(self, amount: str, text: str) -> None:
        assert Wording("en").credits(Decimal(amount)) == text

    def test_names_courses_where_no_credit_is_missing(self) -> None:
        gap = UnmetRequirement(id="speech", title="Speech", short_by=Decimal(0), missing=("Debate", "Speech I"))

        said = Wording("en").need(gap, student="Maya", is_new=True)

        assert said == "Maya now needs to take Debate or Speech I to graduate (Speech)."

    def test_a_percent_sign_in_a_title_is_harmless(self) -> None:
        gap = UnmetRequirement(id="x", title="100% English", short_by=Decimal(1))

        assert "in 100% English to graduate" in Wording("en").need(gap, student="M%s", is_new=True)


def reading_grade(text: str) -> float:
    """
    Flesch-Kincaid grade level, syllables counted as groups of vowels.

    Source: Kincaid et al., Research Branch Report 8-75, Naval Technical Training, 1975.
    """
    sentences = [part for part in re.split(r"[.!?:\n]+", text) if re.search(r"[a-z]", part)]
    words = re.findall(r"[A-Za-z']+", text)
    syllables = sum(max(1, len(re.findall(r"[aeiouy]+", re.sub(r"e$", "", word.lower())))) for word in words)
    return 0.39 * len(words) / len(sentences) + 11.8 * syllables / len(words) - 15.59
