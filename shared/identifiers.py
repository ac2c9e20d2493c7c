"""Ids derived from a source's own ids, so that importing twice gives the same ids."""

from uuid import UUID, uuid5

SIGNPOST_NAMESPACE = UUID("5e6f3a34-9a55-5c1e-8f0e-0d9f6a1b7c22")


def stable_id(*parts: str) -> UUID:
    """The id of the thing these parts name, for example `stable_id("person", "oneroster", "st-17")`."""
    return uuid5(SIGNPOST_NAMESPACE, "\x1f".join(parts))
