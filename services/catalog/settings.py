"""What the environment may set for the catalog."""

from pydantic import Field

from shared.settings import Settings


class CatalogSettings(Settings):
    max_catalog_bytes: int = Field(default=20_000_000, ge=1, description="Largest catalog file read")
    max_requirements_bytes: int = Field(default=1_000_000, ge=1, description="Largest requirements file read")
