"""Spans of real calls: the GenAI names, a tree, and nothing of what was said unless twice allowed."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.trace import SpanKind, StatusCode

from serving import otel
from serving.service import save_operations
from serving.settings import Operations
from tests.support.apps import ACTOR
from tests.support.apps_server import AppsServer, apps_server
from tests.support.collector import collector
from tests.support.witness import Witness

KNOWN = {
    value for name, value in vars(gen_ai_attributes).items()
    if name.startswith("GEN_AI_") and isinstance(value, str)
}  # fmt: skip
OPERATIONS = {"invoke_agent", "chat", "retrieval"}
MESSAGES = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["role", "parts"],
        "properties": {
            "role": {"type": "string"},
            "parts": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "properties": {"type": {"const": "text"}, "content": {"type": "string"}},
                    "required": ["type", "content"],
                },
            },
        },
    },
}
"""What `gen-ai-input-messages.json` of the conventions asks of texts."""
SECRET = "opensesame"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, upstream: Witness) -> Iterator[AppsServer]:
    data = tmp_path_factory.mktemp("otel") / "data"
    with apps_server(data) as server:
        for model in ("ok", "r500", "slow-200"):
            server.model(model, upstream.base_url, model, input_price="1", output_price="2")
        server.app("chat", model="ok")
        server.app("backed", model="r500", fallbacks=("ok",))
        server.app("down", model="r500")
        server.app("silent", model="ok")
        with server.database.session_scope(ACTOR) as session:
            save_operations(session, "silent", Operations(log_content=False))
        server.key = server.new_key("all", "chat", "backed", "down", "silent")
        yield server


@contextmanager
def watched(api: AppsServer) -> Iterator[InMemorySpanExporter]:
    """What an exporter gets of the calls meanwhile."""
    exporter = InMemorySpanExporter()
    spans = otel.Spans(exporter)
    api.answering.observers.append(spans)
    try:
        yield exporter
    finally:
        api.answering.observers.remove(spans)
        spans.close()


def spans_of(api: AppsServer, app: str, **fields: Any) -> dict[str, ReadableSpan]:
    """The spans of one call, by name."""
    with watched(api) as exporter:
        api.chat(app, SECRET, **fields)
    return {span.name: span for span in exporter.get_finished_spans()}


def of(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_a_call_is_a_tree_with_the_names_of_the_conventions(api: AppsServer):
    found = spans_of(api, "backed")
    assert set(found) == {"invoke_agent backed", "render", "chat r500", "chat ok"}
    root = found["invoke_agent backed"]
    assert root.parent is None
    assert (root.kind, root.status.status_code) == (SpanKind.INTERNAL, StatusCode.UNSET)
    for span in found.values():
        names = {name for name in of(span) if name.startswith("gen_ai.")}
        assert names <= KNOWN
        assert of(span).get("gen_ai.operation.name", "chat") in OPERATIONS
        if span is not root:
            assert span.parent is not None
            assert root.context is not None
            assert span.parent.span_id == root.context.span_id
            assert root.start_time <= span.start_time <= span.end_time <= root.end_time  # type: ignore[operator]


def test_a_call_carries_app_release_tokens_and_cost(api: AppsServer):
    with watched(api) as exporter:
        answer = api.chat("chat", "one two").json
    by_name = {span.name: span for span in exporter.get_finished_spans()}
    root, chat = of(by_name["invoke_agent chat"]), of(by_name["chat ok"])
    assert root["gen_ai.provider.name"] == "promptstone"
    assert (root["gen_ai.agent.name"], root["gen_ai.agent.version"]) == ("chat", "1")
    assert root["gen_ai.response.id"] == answer["id"].removeprefix("chatcmpl-")
    assert root["gen_ai.usage.input_tokens"] == answer["usage"]["prompt_tokens"] > 0
    assert root["promptstone.cost_usd"] == "0.000011"
    assert root["http.response.status_code"] == 200
    assert (chat["gen_ai.provider.name"], chat["gen_ai.request.model"]) == ("openai", "ok")
    assert chat["gen_ai.usage.output_tokens"] == answer["usage"]["completion_tokens"]
    assert by_name["chat ok"].kind is SpanKind.CLIENT


def test_a_stream_ends_with_its_last_word(api: AppsServer):
    found = spans_of(api, "chat", stream=True)
    root, chat = found["invoke_agent chat"], found["chat ok"]
    assert of(root)["gen_ai.request.stream"] is True
    assert of(root)["gen_ai.response.time_to_first_chunk"] > 0
    assert of(chat)["gen_ai.usage.output_tokens"] == of(root)["gen_ai.usage.output_tokens"] > 0
    assert chat.end_time == root.end_time


def test_a_failure_has_its_kind(api: AppsServer):
    found = spans_of(api, "down")
    root, chat = found["invoke_agent down"], found["chat r500"]
    assert root.status.status_code is chat.status.status_code is StatusCode.ERROR
    assert of(root)["error.type"] == "upstream_server"
    assert of(root)["http.response.status_code"] == 503
    assert of(chat)["error.type"] == "_OTHER"


@pytest.mark.parametrize(
    ("app", "variable", "told"),
    [("chat", "true", True), ("chat", None, False), ("silent", "true", False)],
)
def test_what_was_said_leaves_only_where_both_allow_it(
    api: AppsServer, monkeypatch: pytest.MonkeyPatch, app: str, variable: str | None, told: bool
):
    monkeypatch.delenv(otel._CAPTURE, raising=False)
    if variable is not None:
        monkeypatch.setenv(otel._CAPTURE, variable)
    found = spans_of(api, app)
    whole = json.dumps([of(span) for span in found.values()])
    assert (SECRET in whole) is told
    root = of(found[f"invoke_agent {app}"])
    if told:
        given = json.loads(root["gen_ai.input.messages"])
        said = json.loads(root["gen_ai.output.messages"])
        jsonschema.validate(given, MESSAGES)
        jsonschema.validate(said, MESSAGES)
        assert [one["role"] for one in given] == ["system", "user"]
        assert given[1]["parts"] == [{"type": "text", "content": SECRET}]
        assert said[0]["finish_reason"] == "stop"


def test_a_span_that_cannot_be_made_fails_no_call(api: AppsServer, caplog: Any):
    broken = otel.Spans(InMemorySpanExporter())
    broken._tracer = None  # type: ignore[assignment]
    api.answering.observers.append(broken)
    try:
        assert api.chat("chat").status == 200
    finally:
        api.answering.observers.remove(broken)
        broken.close()
    assert re.search("spans of call .* could not be made", caplog.text)


def test_a_server_sends_to_the_endpoint_of_the_standard_variable(
    tmp_path: Path, upstream: Witness, monkeypatch: pytest.MonkeyPatch
):
    assert not otel.wanted()
    with collector() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.url)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "prompts")
        with apps_server(tmp_path / "data") as server:
            server.model("ok", upstream.base_url, "ok")
            server.app("chat", model="ok")
            server.key = server.new_key("all", "chat")
            assert server.chat("chat").status == 200
        # The end of the server has sent what waited.
        assert sorted(found.names) == ["chat ok", "invoke_agent chat", "render"]
        assert found.services == {"prompts"}


def test_a_silent_endpoint_holds_up_no_end(monkeypatch: pytest.MonkeyPatch, api: AppsServer):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(otel, "_CLOSE_SECONDS", 0.5)
    spans = otel.Spans()
    api.answering.observers.append(spans)
    assert api.chat("chat").status == 200
    api.answering.observers.remove(spans)
    began = time.monotonic()
    spans.close()
    assert time.monotonic() - began < 2
