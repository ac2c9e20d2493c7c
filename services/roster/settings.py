"""What the environment may set for the roster beyond what all services share."""

from pydantic import Field

from shared.settings import Settings


class RosterSettings(Settings):
    """Settings of the roster's processes and of its imports."""

    import_removal_share: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="A bulk file that would remove a larger share of people waits for a person",
    )
    import_max_bytes: int = Field(
        default=2_147_483_648, ge=1, description="Largest unpacked size of one import, all files together"
    )
    school_year_starts: str = Field(
        default="08-01", pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$", description="Month and day, MM-DD"
    )
    phone_region: str = Field(default="US", description="ISO 3166 region of telephone numbers without a country code")
