"""Traces that run on across HTTP, outbox, broker and consumers."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from opentelemetry import trace
from opentelemetry.context import attach, detach
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.settings import Settings

_propagator = TraceContextTextMapPropagator()
_exporters: list[str] = []
tracer = trace.get_tracer("signpost")


class JsonLinesExporter(SpanExporter):
    """Appends one JSON object per span to a file, for looking at traces without a collector."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", buffering=1)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for span in spans:
            self._file.write(json.dumps(json.loads(span.to_json(indent=None))) + "\n")
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self._file.close()


def configure_traces(settings: Settings, *, service: str) -> None:
    """Send spans where the settings say; with nothing set, trace ids are still made and passed on."""
    provider = TracerProvider(resource=Resource.create({"service.name": f"signpost-{service}"}))
    if settings.otlp_endpoint:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.otlp_endpoint)))
        _exporters.append(settings.otlp_endpoint)
    if settings.traces_file:
        provider.add_span_processor(SimpleSpanProcessor(JsonLinesExporter(settings.traces_file)))
        _exporters.append(str(settings.traces_file))
    trace.set_tracer_provider(provider)


def current_traceparent() -> str | None:
    """The W3C traceparent of the present span, or None outside any."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: str | None = None,
    links: Sequence[str] = (),
    attributes: Mapping[str, Any] | None = None,
) -> Iterator[Span]:
    """
    A span, child of the traceparent `parent` where given, else of the present one.

    Exceptions are recorded by class alone: their text may hold personal data.
    Where nobody looks at spans, none is made: a request's trace id is, and it is passed on.
    """
    if not _exporters and (parent or kind is not SpanKind.SERVER):
        passed_on = _remote(parent) if parent else trace.get_current_span()
        before = attach(trace.set_span_in_context(passed_on))
        try:
            yield passed_on
        finally:
            detach(before)
        return
    context = _propagator.extract({"traceparent": parent}) if parent else None
    linked = [
        Link(trace.get_current_span(_propagator.extract({"traceparent": link})).get_span_context()) for link in links
    ]
    with tracer.start_as_current_span(
        name,
        context=context,
        kind=kind,
        links=linked,
        attributes=dict(attributes or {}),
        record_exception=False,
        set_status_on_exception=False,
    ) as started:
        try:
            yield started
        except Exception as error:
            started.set_status(trace.StatusCode.ERROR, type(error).__name__)
            raise


@lru_cache(maxsize=256)  # what one request or import led to comes together
def _remote(traceparent: str) -> Span:
    """The span a W3C traceparent tells of; an invalid one if it cannot be read."""
    try:
        _, trace_id, span_id, flags = traceparent.split("-")[:4]
        context = SpanContext(int(trace_id, 16), int(span_id, 16), True, TraceFlags(int(flags, 16)))
    except ValueError:
        return trace.INVALID_SPAN
    return NonRecordingSpan(context)
