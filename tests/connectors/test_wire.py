"""Request keys, bodies, failures and answers: the pure part of the wire."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from connectors.answers import Garbage, Reply, SseReader, TooLarge, add_chunk, parse_completion
from connectors.body import build_body, is_strict, key_of
from connectors.failures import clean, describe, from_status, retry_after
from connectors.wire import ChatError, ChatRequest, Target, failure, request_key

MESSAGES = [{"role": "system", "content": "s"}, {"role": "user", "content": "hi"}]
AT = Target("m", "openai", "gpt", base_url="https://api.openai.com/v1")
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
CLOSED = {**SCHEMA, "required": ["a"], "additionalProperties": False}


def test_request_key_is_of_what_goes_over_the_wire() -> None:
    def key(target: Target = AT, repeat: int = 1, **changed: object) -> str:
        return key_of(target, ChatRequest(MESSAGES, **changed), repeat)  # type: ignore[arg-type]

    same = key()
    assert re.fullmatch(r"[0-9a-f]{64}", same)
    renamed = Target("other", "openai", "gpt", base_url=AT.base_url, api_key="k", timeout=3)
    assert key(renamed) == same, "names, keys and limits are not sent"
    others = [
        key(repeat=2),
        key(params={"temperature": 0}),
        key(params={"temperature": 0.0, "seed": 1}),
        key(schema=SCHEMA),
        key(tools=[{"type": "function", "function": {"name": "f"}}]),
        key(Target("m", "openai", "gpt-2", base_url=AT.base_url)),
        key(Target("m", "openai", "gpt", base_url="https://elsewhere.test/v1")),
        key(Target("m", "langchain", "gpt", provider="openai")),
        key(Target("m", "echo", "gpt")),
    ]
    assert len({same, *others}) == 10
    off = Target("m", "openai", "gpt", base_url=AT.base_url, structured="off")
    assert key(off, schema=SCHEMA) == same, "a schema that is not sent does not count"
    ordered = key(params={"a": 1, "b": 2})
    assert ordered == key(params={"b": 2, "a": 1})


def test_request_key_of_any_text() -> None:
    texts = ["\ud800", "\x00", "👩‍👩‍👧", "é", "e\u0301"]
    keys = {request_key("o", "m", [{"content": text}], None, None, {}, 1) for text in texts}
    assert len(keys) == len(texts)


def test_structured_output_travels_three_ways() -> None:
    request = ChatRequest(MESSAGES, schema=CLOSED)
    native = build_body(AT, request)
    assert native["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": CLOSED, "strict": True},
    }
    prompted = build_body(Target("m", "openai", "gpt", structured="prompt"), request)
    assert "response_format" not in prompted
    first = prompted["messages"][0]  # type: ignore[index]
    assert first["content"].startswith("s\n\n")
    assert '"additionalProperties":false' in first["content"]
    off = build_body(Target("m", "openai", "gpt", structured="off"), request)
    assert off == {"model": "gpt", "messages": MESSAGES}


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (CLOSED, True),
        (SCHEMA, False),
        ({**CLOSED, "required": []}, False),
        ({"type": "array", "items": CLOSED}, True),
        ({"type": "array", "items": SCHEMA}, False),
        ({"anyOf": [CLOSED, {"type": "null"}]}, True),
        ({"anyOf": [SCHEMA, {"type": "null"}]}, False),
    ],
)
def test_strict_only_where_the_schema_allows_it(schema: dict[str, object], strict: bool) -> None:
    assert is_strict(schema) is strict  # type: ignore[arg-type]


def test_retry_after_in_all_its_forms() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert retry_after({"Retry-After": "3"}) == 3
    assert retry_after({"Retry-After": "0.5"}) == 0.5
    assert retry_after({"retry-after-ms": "250", "Retry-After": "9"}) == 0.25
    assert retry_after({"Retry-After": "-5"}) == 0
    assert 27 < (retry_after({"Retry-After": soon}) or 0) <= 30
    assert retry_after({"Retry-After": "Mon, 01 Jan 2001 00:00:00 GMT"}) == 0
    assert retry_after({"Retry-After": "1e999"}) == 1e9
    for nonsense in ({}, {"Retry-After": "soon"}, {"Retry-After": "nan"}, {"Retry-After": ""}):
        assert retry_after(nonsense) is None


def test_a_key_never_stands_in_a_message() -> None:
    """Control: the same texts without the key come through."""
    key = "k-canary-1234567890abcdef"
    target = Target("m", "openai", "gpt", api_key=key)
    for said in (
        f"bad key {key}",
        f"bad key {key[:10]}...",
        f"...{key[-9:]} is wrong",
        key.upper() + key,
    ):
        body = b'{"error": {"message": "%s"}}' % said.encode()
        found = from_status(target, 401, {}, body)
        assert not any(key[at : at + 8] in found.message for at in range(len(key) - 7))
    assert (
        "no such plan"
        in from_status(target, 401, {}, b'{"error": {"message": "no such plan"}}').message
    )
    assert "[key]" in clean("Incorrect API key provided: sk-proj-abcdefghijklmnop", None)
    assert "abcdefgh" not in clean("Authorization: Bearer abcdefghijklmnop", None)


def test_words_of_a_provider_are_cleaned_and_cut() -> None:
    assert clean("a\x1b[31mred\u202e\nb", None) == "a [31mred b"
    assert len(clean("x" * 5000, None)) < 310


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>502</html>",
        b"plain words",
        b'{"detail":"d"}',
        b'{"error":"e"}',
        b"[]",
        b"\xff\xfe",
        b'{"error":{"message":null,"code":5}}',
        b'{"error":[1]}',
        b'{"detail":[{"msg":"x"}]}',
    ],
)
def test_any_error_body_is_survived(body: bytes) -> None:
    found = from_status(AT, 502, {}, body)
    assert (found.kind, found.retryable, found.status) == ("server", True, 502)
    assert "<html>" not in found.message


def test_failure_flags_follow_from_the_kind() -> None:
    assert failure("timeout", "x").retryable
    assert failure("auth", "x").fatal_for_model
    assert ChatError(describe("quota", AT)).code == "quota"


def test_tool_calls_of_a_stream_are_put_together() -> None:
    reply = Reply()
    pieces = [
        {"index": 0, "id": "c1", "function": {"name": "lo", "arguments": '{"a'}},
        {"index": 0, "function": {"name": "ok", "arguments": '":1}'}},
        {"index": 1, "id": "c2", "function": {"name": "two", "arguments": "{}"}},
    ]
    for piece in pieces:
        add_chunk(reply, {"choices": [{"delta": {"tool_calls": [piece]}}]})
    assert [call["function"] for call in reply.tool_calls] == [
        {"name": "look", "arguments": '{"a":1}'},
        {"name": "two", "arguments": "{}"},
    ]
    with pytest.raises(Garbage):
        add_chunk(reply, {"choices": [{"delta": {"tool_calls": [{"index": 99}]}}]})


def test_content_in_parts_and_refusals_are_text() -> None:
    parts = b'{"choices":[{"message":{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}}]}'
    assert parse_completion(parts).text == "ab"
    refused = b'{"choices":[{"message":{"content":null,"refusal":"no"}}]}'
    assert parse_completion(refused).text == "no"


def test_sse_is_cut_wherever_the_network_cuts_it() -> None:
    stream = 'data: {"a": "é"}\r\n\r\n: ping\nevent: x\ndata:{"b":2}\n\ndata: [DONE]'.encode()
    for size in range(1, len(stream)):
        reader = SseReader()
        found = [
            p for at in range(0, len(stream), size) for p in reader.feed(stream[at : at + size])
        ]
        assert [*found, *reader.close()] == ['{"a": "é"}'.encode(), b'{"b":2}', b"[DONE]"]
    with pytest.raises(TooLarge):
        list(SseReader().feed(b"data: " + b"x" * (2**20 + 1)))
