"""Headers of everything a browser shows: nothing from elsewhere, nothing told to elsewhere."""

from collections.abc import Mapping

_POLICY = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; "


def page_headers(*, sources: str) -> Mapping[str, str]:
    """
    Args:
        sources: Content-Security-Policy directives for what the page loads from here;
            all it does not name is forbidden.
    """
    return {
        "Content-Security-Policy": _POLICY + sources,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
