"""Turns an occasion to write to somebody into an email, an SMS or the text of a page, in their language."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import css_inline
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from jinja2.ext import i18n

from services.notifications.templates.rules import DEFAULT_LANGUAGE, Wording, still_unmet, supported_language
from shared.events.contract import Event

FOLDER = Path(__file__).parent
MESSAGES = tuple(sorted(path.stem for path in (FOLDER / "messages").glob("*.jinja") if path.stem != "standing"))

Audience = Literal["guardian", "student", "counselor"]

_inliner = css_inline.CSSInliner(load_remote_stylesheets=False, keep_style_tags=True)


@dataclass(frozen=True)
class Occasion:
    """
    One message to one person: what happened, to whom it is told, and where they can read on.

    Holds names; lives only while the message is rendered. `journey` is the address of the chain
    behind it, for those who sign in; `reference` is its id, which everybody else can quote.
    """

    template: str
    event: Event
    audience: Audience
    language: str
    student_given: str
    student_family: str
    recipient_given: str
    link: str
    journey: str
    reference: str
    expires_on: date


@dataclass(frozen=True)
class Letter:
    """A rendered email."""

    subject: str
    html: str
    text: str


@dataclass(frozen=True)
class Page:
    """The same message as a page shows it: a title, and the content as safe HTML and as text."""

    language: str
    title: str
    html: str
    text: str


def render_letter(occasion: Occasion) -> Letter:
    subject = _subject(occasion)
    values = _values(occasion) | {"subject": subject}
    html = _template(occasion, "html").render(values)
    return Letter(subject, _inliner.inline(html), _tidy(_template(occasion, "text").render(values)))


def render_sms(occasion: Occasion) -> str:
    return _one_line(_block(_template(occasion, "text"), "sms", _values(occasion)))


def render_page(occasion: Occasion) -> Page:
    values = _values(occasion)
    return Page(
        supported_language(occasion.language),
        _subject(occasion),
        _tidy(_block(_template(occasion, "html"), "content", values)),
        _tidy(_block(_template(occasion, "text"), "content", values)),
    )


def _subject(occasion: Occasion) -> str:
    subject = _one_line(_block(_template(occasion, "text"), "subject", _values(occasion)))
    return subject if occasion.student_given else subject[:1].upper() + subject[1:]


def _values(occasion: Occasion) -> dict[str, Any]:
    wording = _wording(supported_language(occasion.language))
    gettext = wording.translations.gettext
    student = occasion.student_given or gettext("your student")
    because = {
        "guardian": gettext("Your school lists you as a parent or guardian of %(student)s."),
        "student": gettext("This is about your own plan."),
        "counselor": gettext("You are the school counselor of %(student)s."),
    }
    return {
        "event": occasion.event,
        "audience": occasion.audience,
        "language": wording.language,
        "student": student,
        "full_name": f"{occasion.student_given} {occasion.student_family}".strip() or student,
        "greeting": gettext("Hello %(name)s,") % {"name": occasion.recipient_given}
        if occasion.recipient_given
        else gettext("Hello,"),
        "because": because[occasion.audience] % {"student": student},
        "link": occasion.link,
        "journey": occasion.journey,
        "reference": occasion.reference,
        "expires_on": wording.date(occasion.expires_on),
    }


def _template(occasion: Occasion, form: str) -> Template:
    environment = _environment(supported_language(occasion.language), form)
    return environment.get_template(f"{occasion.template}.jinja")


def _block(template: Template, name: str, values: Mapping[str, Any]) -> str:
    return "".join(template.blocks[name](template.new_context(dict(values))))


@lru_cache(maxsize=32)
def _environment(language: str, form: str) -> Environment:
    """One per language and form: both forms share the message files and differ in layout and escaping."""
    wording = _wording(language)
    environment = Environment(
        loader=FileSystemLoader([FOLDER / form, FOLDER / "messages"]),
        autoescape=form == "html",  # noqa: S701 - the other form is plain text, where escapes would show
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        auto_reload=False,  # or each rendering asks the file system whether its templates are still the same
        extensions=[i18n],
    )
    environment.install_gettext_translations(wording.translations, newstyle=True)  # type: ignore[attr-defined]
    environment.filters.update(
        course=wording.course,
        credits=wording.credits,
        number=wording.number,
        need=lambda requirement, student, is_new: wording.need(requirement, student=student, is_new=is_new),
        fits=wording.fits,
        still_unmet=still_unmet,
    )
    parts = environment.get_template("parts.jinja").module
    for name in ("paragraph", "heading", "bullets", "alert", "good"):
        environment.globals[name] = getattr(parts, name)
    return environment


@lru_cache(maxsize=8)
def _wording(language: str) -> Wording:
    return Wording(language, translations_of(language))


def translations_of(language: str) -> NullTranslations:
    """The catalog of a language, read from its .po file; no compiled file is kept beside it."""
    if language == DEFAULT_LANGUAGE:
        return NullTranslations()
    with (FOLDER / "locales" / f"{language}.po").open("rb") as source:
        catalog = read_po(source, locale=language, abort_invalid=True)
    compiled = BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return GNUTranslations(compiled)


def _tidy(text: str) -> str:
    """At most one blank line in a row, none at the ends."""
    return re.sub(r"\n[ \t]*(?:\n[ \t]*)+\n", "\n\n", text).strip() + "\n"


def _one_line(text: str) -> str:
    """No line break can reach a header or an SMS, whatever a name holds."""
    return " ".join(text.split())
