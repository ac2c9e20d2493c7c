"""What the environment may set for the gateway, beside the settings common to all processes."""

from pydantic import Field

from shared.settings import Settings

SERVICES = ("roster", "catalog", "plans", "mentorship", "notifications")


class GatewaySettings(Settings):
    """Where the services are, how long to wait for them, how often callers may ask, and what pages show."""

    roster_url: str = "http://127.0.0.1:8081"
    catalog_url: str = "http://127.0.0.1:8082"
    plans_url: str = "http://127.0.0.1:8083"
    mentorship_url: str = "http://127.0.0.1:8084"
    notifications_url: str = "http://127.0.0.1:8085"
    mailbox_url: str | None = Field(default=None, description="Address of the local mailbox page, to link to it")

    upstream_timeout_s: float = Field(default=10.0, gt=0, description="Longest wait for a service's whole answer")
    upstream_connect_timeout_s: float = Field(default=2.0, gt=0)
    upstream_connections: int = Field(default=200, ge=1, description="Connections kept to each service")
    home_timeout_s: float = Field(default=3.0, gt=0, description="Longest wait for one part of a composed read")
    ready_timeout_s: float = Field(default=1.0, gt=0, description="Longest wait for a service's /healthz")

    rate_limit_per_s: float = Field(default=50.0, ge=0, description="Requests per second and person; 0 lifts the limit")
    rate_limit_burst: int = Field(default=200, ge=1, description="Requests a rested person may send at once")
    anonymous_rate_limit_per_s: float = Field(
        default=10.0, ge=0, description="Requests per second and address without a valid token; 0 lifts the limit"
    )
    anonymous_rate_limit_burst: int = Field(default=60, ge=1)
    callback_rate_limit_per_s: float = Field(
        default=200.0, ge=0, description="Reports per second from one address of an SMS provider; 0 lifts the limit"
    )
    callback_rate_limit_burst: int = Field(default=1_000, ge=1)
    trusted_proxies: int = Field(
        default=0, ge=0, description="Proxies of one's own in front, each adding one address to X-Forwarded-For"
    )

    openapi_refresh_s: float = Field(default=300.0, gt=0, description="Age at which the merged API document is renewed")
    openapi_retry_s: float = Field(default=3.0, gt=0, description="The same while a service is missing from it")
    journey_settle_s: float = Field(
        default=5.0, ge=0, description="Quiet time after which a fact that may lead to nothing counts as settled"
    )
    journey_days: int = Field(default=400, ge=1, description="How long journeys are kept: a school year and some")
    webhook_allow_local: bool = Field(
        default=False,
        description="For local development: webhooks to this very machine, over plain http and any port. Never in use",
    )
    webhook_ports: tuple[int, ...] = Field(
        default=(443, 8443), description="Ports webhooks may be sent to, as a JSON list"
    )
    webhook_timeout_s: float = Field(default=15.0, gt=0, le=30, description="Longest wait for a receiver's answer")
    webhook_concurrency: int = Field(default=64, ge=1, description="Webhooks a worker sends at the same time")
    webhook_endpoint_concurrency: int = Field(default=8, ge=1, description="The same to one endpoint, by all workers")
    webhook_log_days: int = Field(default=30, ge=1, description="How long deliveries and their attempts are kept")
    feed_poll_s: float = Field(default=0.1, gt=0, description="Pause between looks for new events, by all streams")
    feed_heartbeat_s: float = Field(default=15.0, gt=0, description="Longest silence of a stream")
    feed_patience_s: float = Field(
        default=10.0, gt=0, description="A stream ends whose reader reads nothing for so long"
    )
    feed_streams: int = Field(default=1_000, ge=1, description="Streams one gateway process keeps open")
    feed_streams_per_person: int = Field(default=8, ge=1, description="Of these, for one person or integrator")
    link_token_lifetime_s: int = Field(default=60, ge=1, description="Life of the token minted behind a verified link")

    def upstream_urls(self) -> dict[str, str]:
        """Base address of each service's API, without a trailing slash."""
        return {service: str(getattr(self, f"{service}_url")).rstrip("/") for service in SERVICES}
