"""
Names of the career clusters, and which of the two national frameworks' clusters stand for the same work.

Source: the 16 clusters in use since 2002 and the 14 of the framework of October 2024 (Advance CTE). Districts
use either while they change over, so a partner may be listed under one and a goal set under the other.
"""

import re

# Each cluster of 2002 with the clusters of 2024 that took over its occupations.
_SUCCESSORS: dict[str, tuple[str, ...]] = {
    "Agriculture, Food & Natural Resources": ("Agriculture", "Energy & Natural Resources"),
    "Architecture & Construction": ("Construction",),
    "Arts, Audio/Video Technology & Communications": ("Arts, Entertainment, & Design",),
    "Business Management & Administration": ("Management & Entrepreneurship",),
    "Education & Training": ("Education",),
    "Finance": ("Financial Services",),
    "Government & Public Administration": ("Public Service & Safety",),
    "Health Science": ("Healthcare & Human Services",),
    "Hospitality & Tourism": ("Hospitality, Events, & Tourism",),
    "Human Services": ("Healthcare & Human Services",),
    "Information Technology": ("Digital Technology",),
    "Law, Public Safety, Corrections & Security": ("Public Service & Safety",),
    "Manufacturing": ("Advanced Manufacturing",),
    "Marketing": ("Marketing & Sales",),
    # Dissolved in 2024: its occupations are spread over clusters where no single one stands for it.
    "Science, Technology, Engineering & Mathematics": (),
    "Transportation, Distribution & Logistics": ("Supply Chain & Transportation",),
}
# Short forms that catalogs print.
_SHORT_FORMS = {"STEM": "Science, Technology, Engineering & Mathematics"}

CLUSTERS: tuple[str, ...] = tuple(
    sorted({*_SUCCESSORS, *(name for successors in _SUCCESSORS.values() for name in successors)})
)


def _folded(name: str) -> str:
    """The name without the differences of spelling that mean nothing: case, `and` for `&`, spaces, commas."""
    return re.sub(r"[\s,]+", " ", re.sub(r"\band\b", "&", name.casefold())).strip()


_BY_FOLDED = {_folded(name): name for name in CLUSTERS} | {_folded(k): v for k, v in _SHORT_FORMS.items()}


def canonical_cluster(name: str) -> str | None:
    """The framework's own spelling of a cluster's name, or None if no framework has it."""
    return _BY_FOLDED.get(_folded(name))


def is_same_cluster(one: str, other: str) -> bool:
    return (canonical_cluster(one) or _folded(one)) == (canonical_cluster(other) or _folded(other))


def is_related_cluster(one: str, other: str) -> bool:
    """True if one framework's cluster took over the other's occupations, in either direction."""
    first, second = canonical_cluster(one), canonical_cluster(other)
    if first is None or second is None:
        return False
    return second in _SUCCESSORS.get(first, ()) or first in _SUCCESSORS.get(second, ())
