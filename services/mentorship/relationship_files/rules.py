"""What a relationship file's timeline may hold."""

from enum import StrEnum
from uuid import UUID

from shared.identifiers import stable_id


class EntryKind(StrEnum):
    """What happened with a partner. The first six are written by the service, the last by staff."""

    FILE_OPENED = "file_opened"
    PARTNER_LEFT = "partner_left"
    PARTNER_RETURNED = "partner_returned"
    PROPOSED = "proposed"
    MATCH_ACCEPTED = "match_accepted"
    MATCH_ENDED = "match_ended"
    OUTREACH_LOGGED = "outreach_logged"


class OutreachKind(StrEnum):
    CALL = "call"
    EMAIL = "email"
    VISIT = "visit"
    MEETING = "meeting"


class OutreachOutcome(StrEnum):
    """How an outreach went. A closed list: free text about people does not belong in a timeline."""

    REACHED = "reached"
    NO_ANSWER = "no_answer"
    MESSAGE_LEFT = "message_left"
    AGREED = "agreed"
    REFUSED = "refused"


def file_id_of(partner_id: UUID) -> UUID:
    """The id of a partner's relationship file: one file per partner, for ever."""
    return stable_id("relationship-file", str(partner_id))
