"""The words of the pages themselves, in the languages they speak. What a notice says comes from notifications."""

from collections.abc import Mapping

DEFAULT_LANGUAGE = "en"

TEXTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "acknowledge": "I have read this",
        "acknowledge_hint": "This tells the school that you have seen it. It does not mean that you agree.",
        "acknowledged_before": "You confirmed on {day} that you have read this. Nothing more to do.",
        "away_text": "Part of the system is resting. Please open the link again in a minute.",
        "away_title": "Please try again shortly",
        "courses_to_look_at": "Courses to look at:",
        "finding_corequisite": "{course}: another course belongs with it",
        "finding_grade_level": "{course}: not open to that grade",
        "finding_not_offered": "{course}: no longer offered",
        "finding_prerequisite": "{course}: another course must come first",
        "finding_repeat": "{course}: planned too often",
        "finding_term": "{course}: not offered in that semester",
        "credit": "{credits} credit",
        "credits": "{credits} credits",
        "expired_text": "For safety, links in our messages work for a limited time. "
        "Please ask the school counselor if you have a question about the plan.",
        "expired_title": "This link has expired",
        "grade": "Grade {grade}",
        "no_plan": "The plan cannot be shown just now. The message above is complete.",
        "no_courses": "No courses are planned yet.",
        "plan": "The plan now",
        "off_track": "The plan does not yet meet every requirement to graduate.",
        "on_track": "The plan meets every requirement to graduate.",
        "planned": "{planned} of {required} credits are planned.",
        "open_requirements": "Still to plan:",
        "term_S1": "First semester",
        "term_S2": "Second semester",
        "term_YEAR": "All year",
        "thanks_text": "We have noted that you have read the message. You can close this page.",
        "thanks_title": "Thank you",
        "unknown_text": "Please check that the whole address from the message was opened. "
        "If it was, ask the school counselor.",
        "unknown_title": "This link does not work",
        "back": "Back to the message",
    },
    "es": {
        "acknowledge": "He leído este mensaje",
        "acknowledge_hint": "Así la escuela sabe que usted lo vio. No significa que esté de acuerdo.",
        "acknowledged_before": "Usted confirmó el {day} que leyó este mensaje. No tiene que hacer nada más.",
        "away_text": "Una parte del sistema no responde en este momento. Abra el enlace otra vez en un minuto.",
        "away_title": "Inténtelo de nuevo en un momento",
        "courses_to_look_at": "Cursos por revisar:",
        "finding_corequisite": "{course}: se toma junto con otro curso",
        "finding_grade_level": "{course}: no es para ese grado",
        "finding_not_offered": "{course}: ya no se ofrece",
        "finding_prerequisite": "{course}: antes hace falta otro curso",
        "finding_repeat": "{course}: está demasiadas veces en el plan",
        "finding_term": "{course}: no se ofrece en ese semestre",
        "credit": "{credits} crédito",
        "credits": "{credits} créditos",
        "expired_text": "Por seguridad, los enlaces de nuestros mensajes funcionan por un tiempo limitado. "
        "Si tiene preguntas sobre el plan, hable con el consejero escolar.",
        "expired_title": "Este enlace ya venció",
        "grade": "Grado {grade}",
        "no_plan": "El plan no se puede mostrar en este momento. El mensaje de arriba está completo.",
        "no_courses": "Todavía no hay cursos en el plan.",
        "plan": "El plan actual",
        "off_track": "El plan todavía no cumple todos los requisitos para graduarse.",
        "on_track": "El plan cumple todos los requisitos para graduarse.",
        "planned": "Hay {planned} de {required} créditos en el plan.",
        "open_requirements": "Falta planear:",
        "term_S1": "Primer semestre",
        "term_S2": "Segundo semestre",
        "term_YEAR": "Todo el año",
        "thanks_text": "Hemos anotado que usted leyó el mensaje. Puede cerrar esta página.",
        "thanks_title": "Gracias",
        "unknown_text": "Compruebe que abrió la dirección completa del mensaje. "
        "Si es así, hable con el consejero escolar.",
        "unknown_title": "Este enlace no funciona",
        "back": "Volver al mensaje",
    },
}


def spoken(tag: str | None) -> str:
    """The language of the pages nearest to a BCP 47 tag."""
    primary = (tag or "").lower().partition("-")[0]
    return primary if primary in TEXTS else DEFAULT_LANGUAGE


def preferred(accept_language: str | None) -> str:
    """The language of the pages a browser wants most (RFC 9110 section 12.5.4)."""
    wanted: list[tuple[float, str]] = []
    for entry in (accept_language or "").split(","):
        tag, _, weight = entry.strip().partition(";q=")
        try:
            wanted.append((float(weight or 1), tag))
        except ValueError:
            continue
    for weight_of_tag, tag in sorted(wanted, key=lambda each: -each[0]):
        if weight_of_tag > 0 and tag.lower().partition("-")[0] in TEXTS:
            return spoken(tag)
    return DEFAULT_LANGUAGE
