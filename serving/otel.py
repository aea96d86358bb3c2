"""Calls as OpenTelemetry spans with the GenAI names, sent by OTLP where an endpoint is configured.

https://opentelemetry.io/docs/specs/semconv/gen-ai/: a call of an app is `invoke_agent`, its search
`retrieval`, each request to a model `chat`. What was said is sent only where the standard variable
OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT is true and the app keeps contents itself.
"""

import logging
import os
import threading
from importlib.metadata import version
from typing import TYPE_CHECKING

from serving.calls import Call
from serving.records import Step
from serving.span_attributes import asks_model, is_streamed, of_call, of_step, span_name

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace.export import SpanExporter

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_CLOSE_SECONDS = 3.0
log = logging.getLogger("promptstone.serving")


def wanted() -> bool:
    """Whether the standard variables name an endpoint."""
    return any(os.environ.get(name) for name in _ENDPOINTS)


class Spans:
    """Sends ended calls; `exporter` is OTLP over gRPC unless given."""

    def __init__(self, exporter: "SpanExporter | None" = None) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        if exporter is None:
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

            exporter = OTLPSpanExporter()
        named = {"service.name": os.environ.get("OTEL_SERVICE_NAME", "promptstone")}
        self._provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("promptstone", version("promptstone"))
        self._captures = os.environ.get(_CAPTURE, "").lower() == "true"

    def __call__(self, call: Call) -> None:
        """Queue the spans of an ended call; they leave in the background and raise nothing."""
        try:
            self._queue(call)
        except Exception:  # what is told of an answer must not fail it
            log.exception("the spans of call %s could not be made", call.id)

    def _queue(self, call: Call) -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

        record = call.record
        start = int(record.at.timestamp() * 1e9)
        root = self._tracer.start_span(
            f"invoke_agent {record.app}",
            kind=SpanKind.INTERNAL,
            start_time=start,
            attributes=of_call(call, captures=self._captures),
        )
        if record.error is not None:
            root.set_status(Status(StatusCode.ERROR, record.error_kind))
        inside = set_span_in_context(root)
        for step in call.content.steps:
            self._step(call, step, start, inside)
        root.end(start + _nanos(record.latency_ms))

    def _step(self, call: Call, step: Step, start: int, inside: "Context") -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode

        span = self._tracer.start_span(
            span_name(call, step),
            context=inside,
            kind=SpanKind.CLIENT if asks_model(step) else SpanKind.INTERNAL,
            start_time=start + _nanos(step.at_ms),
            attributes=of_step(call, step),
        )
        if not step.ok:
            span.set_status(Status(StatusCode.ERROR))
        # A stream's step ends with its first word, the request to its model with the last one.
        until = call.record.latency_ms if is_streamed(call, step) else step.at_ms + step.ms
        span.end(start + _nanos(until))

    def close(self) -> None:
        """Send what waits, for a few seconds at most."""
        # The library tries again for longer than the end of a server may take.
        sending = threading.Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        sending.join(_CLOSE_SECONDS)


def _nanos(milliseconds: float) -> int:
    return int(milliseconds * 1e6)
