"""Figures of calls in this process, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from serving.calls import Call

registry = CollectorRegistry()
_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_calls = Counter(
    "promptstone_app_calls",
    "Calls of apps",
    ["app", "release", "state", "status"],
    registry=registry,
)
_seconds = Histogram(
    "promptstone_app_call_seconds",
    "Time until the whole answer",
    ["app", "release"],
    buckets=_BUCKETS,
    registry=registry,
)
_first = Histogram(
    "promptstone_app_first_token_seconds",
    "Time until the first token of a stream",
    ["app", "release"],
    buckets=_BUCKETS,
    registry=registry,
)
_tokens = Counter(
    "promptstone_app_tokens", "Tokens of calls", ["app", "release", "kind"], registry=registry
)
_cost = Counter(
    "promptstone_app_cost_usd", "Cost of priced calls", ["app", "release"], registry=registry
)


def observe(call: Call) -> None:
    """Count one ended call."""
    record = call.record
    place = (record.app, str(record.release))
    _calls.labels(*place, record.state, str(record.status)).inc()
    _seconds.labels(*place).observe(record.latency_ms / 1000)
    if record.ttft_ms is not None:
        _first.labels(*place).observe(record.ttft_ms / 1000)
    if record.input_tokens or record.output_tokens:
        _tokens.labels(*place, "input").inc(record.input_tokens or 0)
        _tokens.labels(*place, "output").inc(record.output_tokens or 0)
    if record.cost:
        _cost.labels(*place).inc(float(record.cost))
