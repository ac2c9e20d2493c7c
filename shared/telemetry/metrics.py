"""Every metric of Signpost: what it counts, and what to do when it moves."""

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LATENCY_S = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

# Requests served, by route and status. A rise of 5xx: read the logs of that service with the trace id of one of them.
HTTP_REQUESTS = Counter("signpost_http_requests", "HTTP requests served", ["service", "route", "status"])

# Time to answer. When p99 rises with database pool waits in the logs: add API processes.
HTTP_SECONDS = Histogram("signpost_http_request_seconds", "Time to answer", ["service", "route"], buckets=_LATENCY_S)

# Age of the oldest event not yet published. Above 10 s: the relay is down or the broker is away; see the worker's log.
OUTBOX_LAG_S = Gauge("signpost_outbox_lag_seconds", "Age of the oldest unpublished event", ["service"])

# Events not yet published. Growing without end while lag grows: scale nothing, find why the relay stands still.
OUTBOX_PENDING = Gauge("signpost_outbox_pending", "Events not yet published", ["service"])

# Events published with the broker's confirm.
EVENTS_PUBLISHED = Counter("signpost_events_published", "Events published", ["service"])

# Publishing attempts that failed as a whole. Occasional at a broker restart; steady: the broker refuses, see the log.
PUBLISH_FAILURES = Counter("signpost_publish_failures", "Batches the broker did not confirm", ["service", "reason"])

# Events applied, seen again, or failed, by consumer group.
EVENTS_CONSUMED = Counter("signpost_events_consumed", "Events handled", ["consumer", "type", "outcome"])

# Age of an event when applied: its wait in outbox and queue. Above 10 s: start more workers of the group.
QUEUE_AGE_S = Histogram("signpost_event_age_seconds", "Age of events when applied", ["consumer"], buckets=_LATENCY_S)

# Events waiting for another try. A few after an import are normal; growth: see `signpost dead-letters list --parked`.
PARKED = Gauge("signpost_parked_events", "Events waiting for another try", ["service"])

# Events given up on. Any: somebody must look, fix the cause, then replay or discard (`signpost dead-letters list`).
DEAD_LETTERS = Gauge("signpost_dead_letters", "Events given up on until a person decides", ["service"])

# Events waiting in a group's queue on RabbitMQ. Growing for minutes: start more workers of the group; if it stands
# still, see its log. Nothing else waits for it.
QUEUE_LENGTH = Gauge("signpost_queue_length", "Events waiting in a group's queue", ["consumer"])

# Events that no consumer group takes, kept in the broker. Any: a type this release does not know; see who publishes it,
# upgrade, then `signpost topology reroute`.
UNROUTABLE = Gauge("signpost_unroutable_events", "Events that no consumer group takes")

# Messages handed to providers, by channel and outcome. Rejections rising: check the provider account and the addresses.
MESSAGES_SENT = Counter("signpost_messages", "Messages handed to a provider", ["channel", "outcome"])

# Webhooks tried, by outcome. One integrator's failures are theirs to mend; all failing at once: look at our way out.
WEBHOOKS_SENT = Counter("signpost_webhooks", "Webhooks tried", ["outcome"])

# Endpoints of integrators nothing is sent to any more. Tell the owner; `signpost webhooks list` says which and why.
WEBHOOKS_DISABLED = Counter("signpost_webhook_endpoints_disabled", "Webhook endpoints disabled", ["reason"])

# Streams of the event feed that are open. At SIGNPOST_FEED_STREAMS further readers are refused: add gateway processes.
FEED_STREAMS = Gauge("signpost_feed_streams", "Open streams of the event feed")

# Streams that ended, by reason. Many `too-slow`: those readers cannot keep up and should read pages instead.
FEED_STREAMS_ENDED = Counter("signpost_feed_streams_ended", "Streams of the event feed that ended", ["reason"])


def render_metrics() -> bytes:
    """All metrics of this process in the Prometheus text format."""
    return bytes(generate_latest(REGISTRY))
