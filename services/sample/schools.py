"""The schools of the sample district: how many there are, and who works there."""

from dataclasses import dataclass
from random import Random

STUDENTS_PER_SCHOOL = 1200
STUDENTS_PER_COUNSELOR = 250
STUDENTS_PER_CASE_MANAGER = 400
CASE_MANAGED_SHARE = 0.08
CLASS_SIZE = 25
CLASSES_PER_TEACHER = 5

DISTRICT_NAME = "Prairie Ridge Public Schools"
DISTRICT_KEY = "org-district"
TIME_ZONE = "America/Chicago"

_PLACES = (
    *("Bluestem", "Buffalo", "Clover", "Cottonwood", "Crane", "Creekside", "Dakota", "Eastview", "Goldenrod"),
    *("Harvest", "Heron", "Horizon", "Larkspur", "Meadowlark", "Northfork", "Pasque", "Plainview", "Sandhill"),
    *("Sunflower", "Switchgrass", "Westwind", "Wild Rose", "Windmill"),
)
_KINDS = ("High School", "Academy", "Secondary School", "Career High School", "Senior High School")


@dataclass(frozen=True)
class School:
    key: str
    name: str


def schools_for(students: int, *, seed: int) -> tuple[School, ...]:
    """Schools enough for so many students, two at least, no name twice."""
    count = max(2, -(-students // STUDENTS_PER_SCHOOL))
    rng = Random(f"{seed}/schools")  # noqa: S311  (the point is that it can be repeated)
    every_name = [f"{place} {kind}" for kind in _KINDS for place in rng.sample(_PLACES, len(_PLACES))]
    return tuple(School(school_key(number), every_name[number]) for number in range(count))


def school_key(number: int) -> str:
    return f"sc{number + 1:03}"
