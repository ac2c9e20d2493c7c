"""Who fits a student's goal, and what may become of a match."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

from services.mentorship.partners.clusters import is_related_cluster, is_same_cluster
from shared.problems import Conflict, Problem

MAX_CANDIDATES = 3

Reason = Literal["cluster", "language", "capacity"]


class Status(StrEnum):
    """
    Where a match stands. `NO_FIT` waits for a partner that fits; `PROPOSED` waits for a counselor.

    NO_FIT -> PROPOSED -> ACCEPTED -> ENDED, or PROPOSED -> DECLINED; a newer goal or the student's
    leaving supersedes whatever was not yet decided.
    """

    NO_FIT = "no_fit"
    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    SUPERSEDED = "superseded"
    ENDED = "ended"


UNDECIDED = (Status.NO_FIT, Status.PROPOSED)


class AlreadyDecided(Conflict):
    """This match has already been decided."""

    code = "match-already-decided"


class NotProposed(Problem):
    """This partner is not among those proposed for the match."""

    code = "partner-not-proposed"
    status = 422


class PartnerFull(Conflict):
    """The partner has no place left."""

    code = "partner-full"


class PartnerLeft(Conflict):
    """The partner takes part no more."""

    code = "partner-left"


@dataclass(frozen=True)
class PartnerSeats:
    """A partner as the ranking sees it. `taken` counts students with an accepted match."""

    partner_id: UUID
    organization: str
    clusters: tuple[str, ...]
    languages: tuple[str, ...]
    capacity: int
    taken: int
    is_active: bool = True

    @property
    def left(self) -> int:
        return max(0, self.capacity - self.taken)


@dataclass(frozen=True)
class Fit:
    """A partner that fits, and why."""

    partner_id: UUID
    organization: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Decision:
    """What was decided about a match, when and by whom."""

    status: Status
    at: datetime
    by: UUID | None


def rank_partners(
    partners: Iterable[PartnerSeats],
    *,
    cluster: str,
    home_language: str | None,
    instruction_language: str,
    limit: int = MAX_CANDIDATES,
) -> tuple[Fit, ...]:
    """
    The partners that fit a goal, best first.

    A partner fits if it is active, has a place left, works in the goal's cluster (or in the other national
    framework's cluster for the same work) and shares a language with the student: the one spoken at home or
    the one taught in. The home language comes before everything, then the cluster's own name, then the most
    places left; equals are ordered by name and id, so the same partners always rank the same.
    """
    ranked = []
    for partner in partners:
        at_home = _speaks(partner, home_language)
        exact = any(is_same_cluster(cluster, own) for own in partner.clusters)
        related = exact or any(is_related_cluster(cluster, own) for own in partner.clusters)
        if not (partner.is_active and partner.left and related and (at_home or _speaks(partner, instruction_language))):
            continue
        reasons: tuple[Reason, ...] = ("cluster", "language", "capacity") if at_home else ("cluster", "capacity")
        order = (not at_home, not exact, -partner.left, partner.organization.casefold(), str(partner.partner_id))
        ranked.append((order, Fit(partner.partner_id, partner.organization, reasons)))
    ranked.sort(key=lambda pair: pair[0])
    return tuple(fit for _, fit in ranked[:limit])


def _speaks(partner: PartnerSeats, language: str | None) -> bool:
    """True if the partner speaks the language; a region or script more or less does not matter."""
    return language is not None and _primary(language) in {_primary(tag) for tag in partner.languages}


def _primary(tag: str) -> str:
    return tag.partition("-")[0].casefold()


def check_undecided(decided: Decision | None, *, status: Status) -> None:
    """
    Raises:
        AlreadyDecided: A counselor, a newer goal or a leaving has decided the match, or nobody fits yet.
    """
    if status is Status.PROPOSED:
        return
    if decided is None:
        raise AlreadyDecided("No partner fits this goal yet, so there is nothing to decide.", match_status=status.value)
    when = decided.at.isoformat(timespec="seconds")
    raise AlreadyDecided(
        f"The match was {_PAST[status]} at {when}; only a proposed one can be decided.",
        match_status=status.value,
        decided_at=decided.at.isoformat(),
        decided_by=str(decided.by) if decided.by else None,
    )


_PAST = {
    Status.ACCEPTED: "accepted",
    Status.DECLINED: "declined",
    Status.SUPERSEDED: "superseded by something newer",
    Status.ENDED: "ended",
}


def check_partner(partner: PartnerSeats, *, proposed: Iterable[UUID]) -> None:
    """
    Check that a proposed partner can take one more student now.

    Raises:
        NotProposed: The partner is not among those proposed.
        PartnerLeft: The partner was taken off the list since.
        PartnerFull: Its places were taken since.
    """
    allowed = list(proposed)
    if partner.partner_id not in allowed:
        raise NotProposed(
            f"Partner {partner.partner_id} was not proposed; choose one of those that were.",
            proposed=[str(partner_id) for partner_id in allowed],
        )
    if not partner.is_active:
        raise PartnerLeft(f"{partner.organization} takes no students any more; choose another or decline.")
    if not partner.left:
        raise PartnerFull(
            f"{partner.organization} takes {partner.capacity} at once and has {partner.taken}; choose another or wait.",
            capacity=partner.capacity,
            taken=partner.taken,
        )
