"""What the environment may set for the plans service."""

from decimal import Decimal

from pydantic import Field

from shared.settings import Settings


class PlansSettings(Settings):
    max_credits_per_grade: Decimal = Field(
        default=Decimal(9), gt=0, description="Most credits a plan may hold in one grade level"
    )
    reaudit_batch: int = Field(default=100, ge=1, description="Plans audited again per transaction")
