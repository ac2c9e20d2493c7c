"""Types of fields that a body may hold and every database can keep."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime

from shared.web.text import is_finite


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("the instant is outside the calendar") from None


def _finite(value: Any) -> Any:
    if not is_finite(value):
        raise ValueError("numbers must be finite")
    return value


# The first and last hours of the calendar exist in some zones alone.
Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]
# Any JSON: without this, 1e999 and the NaN that Python reads come to a database that keeps neither.
FiniteJson = Annotated[Any, AfterValidator(_finite)]
