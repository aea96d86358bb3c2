"""Whole events, our names, nothing lost: whatever the pieces in which a stream arrives."""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.answers import ErrorEvent, Garbage, Reply, SseReader, TooLarge, add_chunk
from connectors.forwarding import Forwarder
from connectors.wire import Usage

OURS = {"id": "chatcmpl-ours", "model": "新闻@production"}


def chunk(delta: dict[str, Any] | None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "theirs", "object": "chat.completion.chunk", "model": "m-1"} | {
        "choices": choices, **more,
    }  # fmt: skip


def said(*texts: str) -> list[dict[str, Any]]:
    """A stream as OpenAI sends it, with usage at its end."""
    middle = [chunk({"content": text}) for text in texts]
    usage = {"prompt_tokens": 3, "completion_tokens": 4}
    return [
        chunk({"role": "assistant", "content": ""}), *middle,
        chunk({}, "stop"), chunk(None, usage=usage),
    ]  # fmt: skip


def compact(values: list[dict[str, Any]], end: bytes = b"\n\n") -> bytes:
    events = [b"data: " + orjson.dumps(value) + end for value in values]
    return b"".join(events) + b"data: [DONE]" + end


def spaced(values: list[dict[str, Any]], end: bytes = b"\n\n") -> bytes:
    """As Python's json writes it: blanks after colons, escapes instead of letters."""
    events = [b"data: " + json.dumps(value).encode() + end for value in values]
    return b"".join(events) + b"data: [DONE]" + end


def forward(pieces: list[bytes], **settings: Any) -> tuple[list[bytes], Forwarder]:
    forwarder = Forwarder(OURS["id"], OURS["model"], **settings)
    made = [forwarder.feed(piece) for piece in pieces]
    return [one for one in [*made, forwarder.close()] if one], forwarder


def values_of(raw: bytes) -> list[dict[str, Any]]:
    assert raw.endswith(b"\n\n")
    return [orjson.loads(event.removeprefix(b"data: ")) for event in raw[:-2].split(b"\n\n")]


def parsed(raw: bytes) -> Reply:
    """What the reader of batches makes of it."""
    reply, reader, texts = Reply(), SseReader(), []
    for payload in [*reader.feed(raw), *reader.close()]:
        if payload == b"[DONE]":
            break
        texts.append(add_chunk(reply, orjson.loads(payload)))
    reply.text = "".join(texts)
    return reply


words = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.sampled_from(['"error"', "error", "[DONE]", 'data: {"id":"theirs"}\n\n', "\r\n", "usage"]),
    max_size=8,
)


@given(words, st.sampled_from([b"\n\n", b"\r\n\r\n", b"\r\r", b"\n"]), st.booleans(), st.data())
def test_any_cut_of_a_stream_gives_the_same(
    texts: list[str], end: bytes, blanks: bool, data: st.DataObject
) -> None:
    raw = (spaced if blanks else compact)(said(*texts), end)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(raw) - 1), max_size=12)))
    edges = [0, *cuts, len(raw)]
    pieces = [raw[a:b] for a, b in pairwise(edges)]
    events, forwarder = forward(pieces)
    for event in events:
        assert event.endswith(b"\n\n")
        assert b"[DONE]" not in event.replace(b'"[DONE]"', b"")
    values = values_of(b"".join(events))
    assert values == [value | OURS for value in said(*texts)[:-1]]
    wanted, reply = parsed(raw.replace(b"\r\r", b"\n\n")), forwarder.read()
    assert (reply.text, reply.finish_reason) == (wanted.text, wanted.finish_reason)
    assert reply.text == "".join(texts)
    assert forwarder.usage == wanted.usage == Usage(3, 4)
    assert (forwarder.ended, reply.model) == (True, "m-1")


def test_byte_by_byte() -> None:
    raw = compact(said("a", " b", "ü"))
    events, forwarder = forward([raw[at : at + 1] for at in range(len(raw))])
    assert len(events) == 5
    assert forwarder.read().text == "a bü"


def test_usage_goes_on_only_for_those_who_asked() -> None:
    raw = compact(said("a"))
    quiet, _ = forward([raw])
    asked, forwarder = forward([raw], usage_asked=True)
    assert all(value["choices"] for value in values_of(quiet[0]))
    assert values_of(asked[0])[-1] == said()[-1] | OURS
    assert forwarder.usage_passed


@pytest.mark.parametrize("write", [compact, spaced])
def test_only_what_is_no_mere_text_is_parsed(
    write: Callable[[list[dict[str, Any]]], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What makes it cheap: of 60 words only the first, and events of another kind, are parsed."""
    read: list[bytes] = []
    original = Forwarder._parsed
    monkeypatch.setattr(
        Forwarder, "_parsed", lambda s, event: read.append(event) or original(s, event)
    )
    values = [
        value | {"usage": value.get("usage")} for value in said(*(f" w{at}" for at in range(60)))
    ]
    events = write(values).split(b"\n\n")
    _, forwarder = forward([event + b"\n\n" for event in events if event])
    assert len([event for event in read if event]) == 5, "role, word, reason to finish, usage, end"
    assert forwarder.read().text == "".join(f" w{at}" for at in range(60))


def test_tool_calls_are_untouched() -> None:
    """An id within a call may even be that of the stream."""
    call = {"index": 0, "id": "theirs", "type": "function"}
    calls = [
        chunk({"tool_calls": [call | {"function": {"name": "look", "arguments": ""}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"model":"m-1"}'}}]}),
        chunk({}, "tool_calls"),
    ]
    events, forwarder = forward(
        [b"data: " + orjson.dumps(one) + b"\n\n" for one in [*said("x")[:2], *calls]]
    )
    assert values_of(b"".join(events))[2:] == [one | OURS for one in calls]
    function = {"name": "look", "arguments": '{"model":"m-1"}'}
    assert forwarder.read().tool_calls == [
        {"id": "theirs", "type": "function", "function": function}
    ]
    assert forwarder.finish_reason == "tool_calls"


def test_names_that_change_or_are_missing_are_ours_all_the_same() -> None:
    odd = [
        chunk(None) | {"id": "", "model": "", "prompt_filter_results": []},
        *said("a", "b")[:3],
        chunk({"content": "c"}) | {"id": "another"},
        {"choices": [{"delta": {"content": "d"}}]},
        chunk({"content": "e"}, model=None),
        chunk({"content": "f"}) | {"usage": None, "error": None},
    ]
    events, forwarder = forward([b"data: " + orjson.dumps(one) + b"\n\n" for one in odd])
    values = values_of(b"".join(events))
    assert all(value["id"] == OURS["id"] and value["model"] == OURS["model"] for value in values)
    assert forwarder.read().text == "abcdef"
    assert len(values) == len(odd) - 1, "a chunk without a choice is for nobody"


def test_comments_and_other_fields_are_dropped() -> None:
    raw = b": waiting\n\nevent: ping\ndata: {}\n\nid: 7\nretry: 3\n" + compact(said("a"))
    events, forwarder = forward([raw])
    assert len(values_of(events[0])) == 3
    assert forwarder.read().text == "a"


def test_an_error_is_one_wherever_it_comes() -> None:
    begun = [b"data: " + orjson.dumps(value) + b"\n\n" for value in said("a", "b")[:3]]
    with pytest.raises(ErrorEvent):
        forward([*begun, b'data: {"error": {"message": "the engine died"}}\n\n'])
    with pytest.raises(ErrorEvent):
        forward([*begun, b"data: " + orjson.dumps(chunk({"content": "c"}, error="x")) + b"\n\n"])


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"data: this is no JSON {{{\n\n", Garbage),
        (b"data: \xff\xfe\n\n", Garbage),
        (b"data: " + orjson.dumps(chunk({"content": "x"})).replace(b"x", b"\xff") + b"\n\n", Garbage),
        (b"data: [" + b"[" * 5000 + b"\n\n", Garbage),
        (b'data: {"x":' + b"[" * 400 + b"]" * 400 + b',"choices":[{}]}\n\n', Garbage),
        (b"data: " + b"x" * (2**20 + 1) + b"\n\n", TooLarge),
        (b"data: " + b"x" * (2**20 + 1), TooLarge),
    ],
)  # fmt: skip
def test_garbage_is_refused_at_the_start_and_later(raw: bytes, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        forward([raw])
    begun = [b"data: " + orjson.dumps(value) + b"\n\n" for value in said("a", "b")[:3]]
    with pytest.raises(kind):
        forward([*begun, raw])


def test_a_frame_is_no_way_around_reading() -> None:
    """What begins and ends like text, but is more, is parsed: nothing is hidden in the middle."""
    begun = [b"data: " + orjson.dumps(value) + b"\n\n" for value in said("a", "b")[:3]]
    middle = (
        b'x"},"finish_reason":null}],"error":{"message":"gone"},"choices":[{"delta":{"content":"y'
    )
    with pytest.raises(ErrorEvent):
        forward([*begun, begun[2].replace(b'"b"', b'"' + middle + b'"')])
    for broken in (b"\\x", b'a"b', b"\x01", b"\xc3", b"\\ud800"):
        with pytest.raises(Garbage):
            forward([*begun, begun[2].replace(b'"b"', b'"' + broken + b'"')])
    short = begun[2].replace(b'"b"', b'"')
    with pytest.raises(Garbage):
        forward([*begun, short])


def test_a_text_that_also_stands_elsewhere_makes_no_frame() -> None:
    twice = chunk({"content": "a"}, said={"content": "a"})
    events, _ = forward([b"data: " + orjson.dumps(twice) + b"\n\n"] * 2)
    assert values_of(b"".join(events)) == [twice | OURS] * 2
    hidden = chunk({"content": "a"}, said={"content": "a"})
    raw = orjson.dumps(hidden).replace(b'{"content":"a"}', b'{"content":"\\u0061"}', 1)
    other = raw.replace(b'"said":{"content":"a"}', b'"said":{"content":"z"}')
    _, forwarder = forward([b"data: " + one + b"\n\n" for one in (raw, other)])
    assert forwarder.read().text == "aa"


def test_nothing_goes_on_after_the_end() -> None:
    raw = compact(said("a", "b"))
    text = b"data: " + orjson.dumps(chunk({"content": "late"})) + b"\n\n"
    for pieces in ([raw + text + raw], [raw[:400], raw[400:] + text, text]):
        events, forwarder = forward(pieces)
        assert b"late" not in b"".join(events)
        assert forwarder.read().text == "ab"
