"""
Deciding which course counts where, so that as few credits as possible are still missing.

A course counts once, in one line. Most courses fit one line only; the few that fit several
are decided together, by walking through them and keeping every distinct state of what the
lines still need. That is exact: it never wastes a course that first-fit would have wasted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.plans.audits.lines import Option, Rulebook

# Needed credits and empty slots of each part of a line.
LineState = tuple[tuple[int, int], ...]
# How a state was reached: (held course, line) pairs, newest first.
Path = tuple[int, int, "Path"] | None

# Beyond these the search keeps the best only. Rule sets of real schools stay far below: Watertown's needs 40 states.
MOST_STATES = 4_000
MOST_COMBINATIONS = 64
MOST_OPTIONS = 8


@dataclass(frozen=True)
class Allotment:
    """The outcome: the line each held course counts in (None: as an elective), and what each line still needs."""

    line_of: tuple[int | None, ...]
    options: tuple[Option, ...]
    states: tuple[LineState, ...]
    shortages: tuple[int, ...]


def allot(book: Rulebook, held: Sequence[str]) -> Allotment:
    """
    Count held courses toward the lines of a rule set.

    Args:
        book: The compiled rule set.
        held: Codes of the courses that may count, all in the catalog, in the order they are taken;
            a repeated course appears as often as it may count.

    Returns:
        The allotment with the least total shortage; among those the one that is best for the
        line with the smallest need, then the next.
    """
    best: Allotment | None = None
    best_rank: tuple[int, ...] = ()
    for options in _combinations(book, frozenset(held)):
        found = _allot_with(options, held, book.credits)
        rank = (sum(found.shortages), *(found.shortages[number] for number in book.by_need))
        if best is None or rank < best_rank:
            best, best_rank = found, rank
        if not best_rank[0]:
            break
    assert best is not None
    return best


def _combinations(book: Rulebook, held: frozenset[str]) -> Iterable[tuple[Option, ...]]:
    """Choices of one option per line, the most promising of each line first."""
    combinations: list[tuple[Option, ...]] = [()]
    for line in book.lines:
        choices = line.options if len(line.options) == 1 else _promising(line.options, held, book.credits)
        if len(combinations) * len(choices) > MOST_COMBINATIONS:
            choices = choices[:1]
        combinations = [(*chosen, choice) for chosen in combinations for choice in choices]
    return combinations


def _promising(options: Sequence[Option], held: frozenset[str], worth: Mapping[str, int]) -> tuple[Option, ...]:
    """Options that a held course fits, those with the least left to add first; the smallest one if there is none."""
    touched = [option for option in options if not option.codes.isdisjoint(held)]
    if not touched:
        return (min(options, key=lambda option: option.need),)
    return tuple(sorted(touched, key=lambda option: option.need - sum(worth[code] for code in option.codes & held)))[
        :MOST_OPTIONS
    ]


def _allot_with(options: tuple[Option, ...], held: Sequence[str], worth: Mapping[str, int]) -> Allotment:
    fitting = [option.codes for option in options]
    takers = [[number for number, codes in enumerate(fitting) if code in codes] for code in held]
    states: list[LineState] = [option.start for option in options]
    line_of: list[int | None] = [None] * len(held)
    # Courses with no choice go first, named ones before others, so that few states arise.
    order = sorted(range(len(held)), key=lambda index: _urgency(held[index], takers[index], options))
    rivals = _rivals(options, takers)
    settled = set(range(len(options))).difference(*rivals)
    for index in order:
        if takers[index] and (number := takers[index][0]) in settled:
            [given] = _give(options[number], states[number], held[index], worth[held[index]])
            if given != states[number]:
                states[number], line_of[index] = given, number
    for lines in rivals:
        members = [index for index in order if takers[index] and takers[index][0] in lines]
        reached, path = _search(
            options, sorted(lines, key=lambda n: (options[n].need, n)), members, takers, held, worth
        )
        for number, state in reached.items():
            states[number] = state
        while path is not None:
            index, number, path = path
            line_of[index] = number
    shortages = tuple(option.shortage(state) for option, state in zip(options, states, strict=True))
    return Allotment(tuple(line_of), options, tuple(states), shortages)


def _urgency(code: str, takers: Sequence[int], options: Sequence[Option]) -> tuple[int, bool]:
    return len(takers), not any(code in options[number].named for number in takers)


def _rivals(options: Sequence[Option], takers: Sequence[Sequence[int]]) -> list[set[int]]:
    """Lines that compete for courses, directly or through others; and each line that is a choice in itself."""
    groups = [{number} for number, option in enumerate(options) if not option.is_plain]
    for lines in takers:
        if len(lines) > 1:
            touching = [group for group in groups if not group.isdisjoint(lines)]
            groups = [group for group in groups if group.isdisjoint(lines)]
            groups.append(set(lines).union(*touching))
    return groups


def _search(
    options: Sequence[Option],
    lines: Sequence[int],
    order: Sequence[int],
    takers: Sequence[Sequence[int]],
    held: Sequence[str],
    worth: Mapping[str, int],
) -> tuple[dict[int, LineState], Path]:
    """Best final state of competing lines and the way to it."""
    place = {number: position for position, number in enumerate(lines)}
    states: dict[tuple[LineState, ...], Path] = {tuple(options[number].start for number in lines): None}
    for index in order:
        code = held[index]
        following: dict[tuple[LineState, ...], Path] = {}
        for state, path in states.items():
            for number in sorted(takers[index], key=place.__getitem__):
                position = place[number]
                for given in _give(options[number], state[position], code, worth[code]):
                    if given == state[position]:
                        following.setdefault(state, path)
                    else:
                        step = (index, number, path)
                        following.setdefault((*state[:position], given, *state[position + 1 :]), step)
        states = following if len(following) <= MOST_STATES else _best(following, options, lines)
    final = min(states, key=lambda state: _rank(state, options, lines))
    return dict(zip(lines, final, strict=True)), states[final]


def _give(option: Option, state: LineState, code: str, credits: int) -> list[LineState]:
    """What a line still needs after a course counted in it; several answers if it can fill different slots."""
    outcomes: list[LineState] = [()]
    for part, (remaining, empty) in zip(option.parts, state, strict=True):
        if code not in part.pool and code not in part.slotted:
            outcomes = [(*done, (remaining, empty)) for done in outcomes]
            continue
        after = max(0, remaining - credits)
        fills = [1 << bit for bit, slot in enumerate(part.slots) if empty >> bit & 1 and code in slot] or [0]
        outcomes = [(*done, (after, empty ^ fill)) for done in outcomes for fill in fills]
    return outcomes


def _rank(state: Sequence[LineState], options: Sequence[Option], lines: Sequence[int]) -> tuple[int, ...]:
    shortages = [options[number].shortage(line) for number, line in zip(lines, state, strict=True)]
    return (sum(shortages), *shortages)


def _best(
    states: dict[tuple[LineState, ...], Path], options: Sequence[Option], lines: Sequence[int]
) -> dict[tuple[LineState, ...], Path]:
    kept = sorted(states, key=lambda state: _rank(state, options, lines))[: MOST_STATES // 2]
    return {state: states[state] for state in kept}
