"""When an import may remove people by itself, and when a person must decide."""

from collections.abc import Mapping, Sequence

from services.roster.imports.records import Mode, Table
from services.roster.imports.report import Kind, Tally
from shared.problems import Conflict


class RemovalTooLarge(Exception):
    """The import would remove a larger share than may go without a person's word."""

    def __init__(self, tally: Tally, reason: str) -> None:
        super().__init__(reason)
        self.tally = tally
        self.reason = reason


class ImportNotParked(Conflict):
    """The import does not wait for a decision."""

    code = "import-not-parked"


class RosterMoved(Conflict):
    """The roster has changed since the import was parked."""

    code = "roster-moved"


def guarded_kinds(modes: Mapping[Table, Mode]) -> Sequence[Kind]:
    """
    Kinds of record whose removal is watched.

    Only complete tables remove by leaving out, as an export cut short does; a delta names what it removes.
    """
    if modes.get("caseload") == "bulk":
        return ("people", "caseloads")
    if "bulk" in (modes.get("people"), modes.get("roles"), modes.get("links")):
        return ("people", "students", "guardianships")
    return ()


def check_removals(tally: Tally, kinds: Sequence[Kind], *, share: float) -> None:
    """
    Raises:
        RemovalTooLarge: More than `share` of what there was of a kind would go.
    """
    shares = tally.removal_shares()
    too_large = [
        f"{tally[kind].removed} of {tally.before[kind]} {kind} ({shares[kind]:.0%})"
        for kind in kinds
        if shares.get(kind, 0) > share
    ]
    if too_large:
        raise RemovalTooLarge(tally, f"It would remove {', '.join(too_large)}; more than {share:.0%} needs a person.")


def check_confirmed_removals(tally: Tally, kinds: Sequence[Kind], parked: Mapping[str, Mapping[str, int]]) -> None:
    """
    Raises:
        RosterMoved: It would by now remove more of a kind than the person was shown.
    """
    for kind in kinds:
        shown = parked.get(kind, {}).get("removed", 0)
        if tally[kind].removed > shown:
            raise RosterMoved(
                f"It would now remove {tally[kind].removed} {kind}, {shown} when it was parked. Import the file again."
            )
