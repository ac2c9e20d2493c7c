"""
The sixteen career clusters of 2002 and how a school's own names for them are recognised.

Names are facts; the sentences about them are our own. Occupation and labor data is published by
these sixteen. "Career Clusters" is a mark of Advance CTE.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cluster:
    """One career cluster. `slug` is stable; `also` are other names in use."""

    slug: str
    name: str
    about: str
    also: tuple[str, ...] = ()


CLUSTERS: tuple[Cluster, ...] = (
    Cluster(
        "agriculture",
        "Agriculture, Food & Natural Resources",
        "Growing food, caring for animals, land and water, and getting harvests to people.",
        ("Agriculture",),
    ),
    Cluster(
        "construction",
        "Architecture & Construction",
        "Designing, building and looking after houses, roads and public places.",
        ("Construction",),
    ),
    Cluster(
        "arts",
        "Arts, Audio/Video Technology & Communications",
        "Making things to see, hear and read: performance, design, film, print and news.",
        ("Arts", "Arts, A/V Technology & Communications"),
    ),
    Cluster(
        "business",
        "Business Management & Administration",
        "Planning, organizing and running the daily work of a company or office.",
        ("Business and Finance", "Business"),
    ),
    Cluster(
        "education",
        "Education & Training",
        "Teaching children and adults, and supporting the people and schools that do.",
        ("Education",),
    ),
    Cluster(
        "finance",
        "Finance",
        "Handling money for people and companies: banking, insurance, accounting, investing.",
        (),
    ),
    Cluster(
        "government",
        "Government & Public Administration",
        "Running towns, states and the country, from planning and taxes to national security.",
        ("Government",),
    ),
    Cluster(
        "health",
        "Health Science",
        "Keeping people well: treatment, tests, records, research and the machines behind them.",
        ("Health",),
    ),
    Cluster(
        "hospitality",
        "Hospitality & Tourism",
        "Cooking for guests, running hotels and travel, and planning recreation and events.",
        ("Hospitality",),
    ),
    Cluster(
        "human_services",
        "Human Services",
        "Helping families and individuals: child care, counseling, personal care, community work.",
        (),
    ),
    Cluster(
        "information_technology",
        "Information Technology",
        "Building and running software, networks and websites, and keeping them safe.",
        ("IT",),
    ),
    Cluster(
        "law",
        "Law, Public Safety, Corrections & Security",
        "Protecting people and their rights: police, fire and rescue, courts, corrections.",
        ("Law & Public Safety", "Public Safety"),
    ),
    Cluster(
        "manufacturing",
        "Manufacturing",
        "Turning materials into products: machining, welding, quality and maintenance.",
        (),
    ),
    Cluster(
        "marketing",
        "Marketing",
        "Finding out what people want, telling them what there is, and selling it.",
        ("Marketing & Sales",),
    ),
    Cluster(
        "stem",
        "Science, Technology, Engineering & Mathematics",
        "Finding out how the world works, and engineering things that were not there before.",
        ("STEM",),
    ),
    Cluster(
        "transportation",
        "Transportation, Distribution & Logistics",
        "Moving people and goods, and repairing the vehicles that carry them.",
        ("Transportation & Distribution", "Transportation"),
    ),
)

_by_name = {name.casefold(): each for each in CLUSTERS for name in (each.name, each.slug, *each.also)}


def cluster_named(name: str) -> Cluster | None:
    """The cluster a school means by a name; None if it is none of the sixteen."""
    return _by_name.get(" ".join(name.split()).casefold())
