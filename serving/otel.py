"""Calls as OpenTelemetry spans with the GenAI names, sent by OTLP where an endpoint is configured.

https://opentelemetry.io/docs/specs/semconv/gen-ai/: a call of an app is `invoke_agent`, its search
`retrieval`, each request to a model `chat`. What was said is sent only where the standard variable
OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT is true and the app keeps contents itself.
"""

import os
from datetime import timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING

import orjson

from serving.calls import Call
from serving.records import Step

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_OPERATIONS = {
    "call": "chat",
    "fallback": "chat",
    "repair": "chat",
    "retrieve": "retrieval",
}
Attributes = dict[str, str | int | float | bool]


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
        self._provider = TracerProvider(resource=Resource.create(named))
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("promptstone", version("promptstone"))
        self._captures = os.environ.get(_CAPTURE, "").lower() == "true"

    def __call__(self, call: Call) -> None:
        """Queue the spans of an ended call; they leave in the background."""
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

        record = call.record
        start = int(record.at.timestamp() * 1e9)
        root = self._tracer.start_span(
            f"invoke_agent {record.app}",
            kind=SpanKind.SERVER,
            start_time=start,
            attributes=_of_call(call, captures=self._captures),
        )
        if record.error is not None:
            root.set_status(Status(StatusCode.ERROR, record.error_kind))
        inside = set_span_in_context(root)
        for step in call.content.steps:
            span = self._tracer.start_span(
                _name(step),
                context=inside,
                kind=SpanKind.CLIENT if _OPERATIONS.get(step.kind) == "chat" else SpanKind.INTERNAL,
                start_time=start + _nanos(step.at_ms),
                attributes=_of_step(step),
            )
            if not step.ok:
                span.set_status(Status(StatusCode.ERROR))
            span.end(start + _nanos(step.at_ms + step.ms))
        root.end(start + _nanos(record.latency_ms))

    def close(self) -> None:
        """Send what waits, for a few seconds at most."""
        self._provider.force_flush(3000)
        self._provider.shutdown()


def _nanos(milliseconds: float) -> int:
    return int(timedelta(milliseconds=milliseconds).total_seconds() * 1e9)


def _name(step: Step) -> str:
    return f"{_OPERATIONS.get(step.kind, step.kind)} {step.name}".rstrip()


def _of_step(step: Step) -> Attributes:
    made: Attributes = {"promptstone.step": step.kind}
    operation = _OPERATIONS.get(step.kind)
    if operation is None:
        return made
    made["gen_ai.operation.name"] = operation
    if operation == "retrieval":
        return {**made, "gen_ai.data_source.id": step.name}
    made["gen_ai.request.model"] = step.name
    if (tokens := step.detail.get("tokens")) is not None:
        made["gen_ai.usage.input_tokens"], made["gen_ai.usage.output_tokens"] = tokens
    return made


def _of_call(call: Call, *, captures: bool) -> Attributes:
    record = call.record
    found: dict[str, str | int | float | bool | None] = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": "promptstone",
        "gen_ai.agent.name": record.app,
        "gen_ai.agent.version": str(record.release),
        "gen_ai.conversation.id": record.conversation,
        "gen_ai.request.stream": record.stream,
        "gen_ai.response.id": record.id,
        "gen_ai.response.model": record.model,
        "gen_ai.usage.input_tokens": record.input_tokens,
        "gen_ai.usage.output_tokens": record.output_tokens,
        "gen_ai.response.time_to_first_chunk": _seconds(record.ttft_ms),
        "http.response.status_code": record.status,
        "error.type": record.error_kind,
        "promptstone.alias": record.alias,
        "promptstone.canary": record.canary,
        "promptstone.cost_usd": None if record.cost is None else format(record.cost, "f"),
    }
    if captures and record.content is not None:
        said = [{"role": "assistant", "content": call.content.output}]
        found["gen_ai.input.messages"] = orjson.dumps(call.content.messages).decode()
        found["gen_ai.output.messages"] = orjson.dumps(said).decode()
    return {name: value for name, value in found.items() if value is not None}


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
