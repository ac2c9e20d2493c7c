"""What the environment may set, for every service. Names carry the prefix SIGNPOST_."""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

S = TypeVar("S", bound="Settings")
EMBEDDED_DEFAULT_HOME = Path(".signpost")


class Settings(BaseSettings):
    """
    Settings common to all processes.

    Without `amqp_url` events travel inside the worker process; without `database_url`
    each service keeps a SQLite file in `home`.
    """

    model_config = SettingsConfigDict(env_prefix="SIGNPOST_", extra="ignore", frozen=True)

    home: Path = Field(default=EMBEDDED_DEFAULT_HOME, description="Folder for files, keys and embedded databases")
    database_url: str | None = Field(
        default=None, description="SQLAlchemy URL; `{service}` in it is replaced by the service's name"
    )
    database_urls: str | None = Field(
        default=None,
        description="JSON object: SQLAlchemy URLs by service, before `database_url`; for commands that need several",
    )
    amqp_url: str | None = Field(default=None, description="RabbitMQ address; unset means embedded")
    exchange: str = Field(default="signpost.events", description="Topic exchange all events go through")
    amqp_public_url: str | None = Field(
        default=None, description="RabbitMQ's address as integrators reach it; default: that of SIGNPOST_AMQP_URL"
    )
    rabbitmq_management_url: str | None = Field(
        default=None, description="RabbitMQ's management API, to make integrators' users; default: rabbitmqctl"
    )
    event_stream: bool = Field(
        default=False, description="Keep all events in a RabbitMQ stream too, which AMQP readers may read again"
    )
    event_stream_days: int = Field(default=30, ge=1, description="Days the stream keeps events")
    event_stream_max_mb: int = Field(
        default=5_000, ge=500, description="MiB of events the stream keeps at most; a segment of it has 500"
    )
    integrator_queue_days: int = Field(
        default=14, ge=1, description="Days an AMQP integrator's queue keeps what is not fetched"
    )
    integrator_queue_max_mb: int = Field(
        default=256, ge=1, description="MiB an AMQP integrator's queue holds; past that the oldest events are dropped"
    )
    public_url: str = Field(default="http://127.0.0.1:8080", description="The gateway's address as people see it")
    time_zone: str = Field(default="America/Chicago", description="The district's IANA time zone")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8080, description="Port of an API process")
    worker_http_port: int | None = Field(default=None, description="Port for a worker's /healthz and /metrics")
    db_pool_size: int = Field(default=8, ge=1, description="Database connections and request threads per API process")
    max_body_bytes: int = Field(default=1_048_576, description="Largest request body read")
    jwks: str | None = Field(default=None, description="File or URL of the key set that signs people's tokens")
    token_issuer: str = "signpost"  # noqa: S105
    token_audience: str = "signpost"  # noqa: S105
    keys_file: Path | None = Field(
        default=None, description="JSON file with signing, sealing and link keys; default: made once in `home`"
    )
    otlp_endpoint: str | None = Field(default=None, description="Where traces go, OTLP over HTTP")
    traces_file: Path | None = Field(default=None, description="Append spans to this file as JSON lines")
    outbox_batch: int = Field(default=500, ge=1)
    consumer_batch: int = Field(default=200, ge=1)
    max_attempts: int = Field(default=16, ge=1, description="Tries before a parked event is a dead letter")
    outbox_days: int = Field(default=30, ge=1, description="Days a published event stays in the outbox")
    inbox_days: int = Field(default=90, ge=1, description="Days an applied event is recognised if it comes again")
    idempotency_days: int = Field(default=7, ge=1, description="Days an answer is kept for a repeated request")

    @field_validator("database_urls")
    @classmethod
    def _is_object_of_addresses(cls, text: str | None) -> str | None:
        if text:
            try:
                _by_service(text)
            except ValueError:  # the addresses have passwords: say nothing of what it was
                raise ValueError('a JSON object such as {"roster": "postgresql://..."}') from None
        return text

    @property
    def is_embedded(self) -> bool:
        return self.amqp_url is None

    def database_url_for(self, service: str) -> str:
        if self.database_urls and service in (urls := _by_service(self.database_urls)):
            return urls[service]
        if self.database_url is None:
            return f"sqlite:///{self.home.resolve() / service}.sqlite3"
        return self.database_url.replace("{service}", service)

    def specialized(self, settings_class: type[S]) -> S:
        """These settings with a service's own beside them, read from the environment."""
        return self if isinstance(self, settings_class) else settings_class(**self.model_dump())

    @property
    def keys_path(self) -> Path:
        return self.keys_file or self.home / "keys.json"


@lru_cache(maxsize=8)
def _by_service(text: str) -> Mapping[str, str]:
    """Raises ValueError where the text is no JSON object of strings."""
    urls = json.loads(text)
    if not isinstance(urls, dict) or not all(isinstance(each, str) for each in urls.values()):
        raise ValueError("no object of strings")
    return urls
