"""Community partners of the sample district, as the CSV file that `signpost import partners` reads."""

import csv
import io
from random import Random

from services.sample import names
from services.sample.people import telephone
from services.sample.plans import CLUSTERS

HEADER = (
    "partner_key",
    "organization",
    "contact_name",
    "contact_email",
    "contact_phone",
    "clusters",
    "languages",
    "capacity",
    "active",
)
COUNT = 40
STEM = "Science, Technology, Engineering & Mathematics"

_PLACES = (
    "Prairie Ridge",
    "Larkspur",
    "Cottonwood",
    "Bluestem",
    "Three Rivers",
    "Sandhill",
    "Meadowlark",
    "Silver Lake",
    "Northfork",
    "Goldenrod",
)
# What an organisation of each cluster calls itself, and clusters it can also speak for.
_KINDS = {
    "Agriculture, Food & Natural Resources": (("Grain Growers", "Seed Company"), ()),
    "Architecture & Construction": (("Builders Guild", "Design Workshop"), ("Manufacturing",)),
    "Arts, Audio/Video Technology & Communications": (("Community Radio", "Playhouse"), ("Marketing",)),
    "Business Management & Administration": (("Chamber of Trade", "Office Services"), ("Finance", "Marketing")),
    "Education & Training": (("Learning Center", "Early Years School"), ("Human Services",)),
    "Finance": (("Credit Union", "Savings Bank"), ("Business Management & Administration",)),
    "Government & Public Administration": (("County Office", "City Council Staff"), ()),
    "Health Science": (("Family Clinic", "Regional Hospital"), ("Human Services",)),
    "Hospitality & Tourism": (("Inn and Kitchen", "Visitor Bureau"), ("Marketing",)),
    "Human Services": (("Neighbors Network", "Youth House"), ("Education & Training",)),
    "Information Technology": (("Software Cooperative", "Data Works"), (STEM,)),
    "Law, Public Safety, Corrections & Security": (("Fire and Rescue", "Legal Aid"), ()),
    "Manufacturing": (("Machine Works", "Metal Fabricators"), (STEM,)),
    "Marketing": (("Print and Sign", "Media Agency"), ()),
    STEM: (("Engineering Group", "Field Laboratory"), ()),
    "Transportation, Distribution & Logistics": (("Freight Lines", "Motor Garage"), ()),
}


def partners_document(*, seed: int) -> str:
    """Forty partners: at least two for each cluster, one of them speaking Spanish."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(HEADER)
    for number in range(COUNT):
        writer.writerow(_partner(number, seed=seed))
    return text.getvalue()


def _partner(number: int, *, seed: int) -> tuple[str, ...]:
    rng = Random(f"{seed}/partner/{number}")  # noqa: S311  (the point is that it can be repeated)
    cluster = CLUSTERS[number % len(CLUSTERS)]
    round_ = number // len(CLUSTERS)
    kinds, related = _KINDS[cluster]
    key = f"pt-{number + 1:03}"
    # Rounds differ in kind or place, and places step through the list, so no two organisations share a name.
    organization = f"{_PLACES[(number + round_ * 3) % len(_PLACES)]} {kinds[round_ % len(kinds)]}"
    speaks_spanish = round_ == 1 or rng.random() < 0.25
    language = "es" if speaks_spanish else "en"
    given, family = names.given_name(rng, language), names.family_name(rng, language)
    return (
        key,
        organization,
        f"{given} {family}",
        f"{names.mailbox_name(given, family, key)}@example.org",
        telephone(rng),
        ";".join((cluster, *related)),
        "en;es" if speaks_spanish else "en",
        str(rng.randint(2, 12)),
        "true",
    )
