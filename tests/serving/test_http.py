"""Published apps over HTTP: the real SDK, OpenAI's shapes, errors that say what to do."""

import hashlib
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import openai
import pytest

from serving import aliases, answering, chunks, idempotency
from serving.key_forms import KeyCreate
from serving.keys import create_key
from serving.traces import get_trace
from tests.support.apps import ACTOR, make_app, push, release
from tests.support.apps_server import AppsServer, apps_server
from tests.support.witness import Witness


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, upstream: Witness) -> Iterator[AppsServer]:
    """One server with an app of each kind on the witness."""
    with apps_server(tmp_path_factory.mktemp("apps") / "data") as server:
        for model in (
            "ok",
            "r500",
            "cut",
            "hang",
            "slow-300",
            "slow-1500",
            "errorevent",
            "r429-7",
            "judge",
        ):
            server.model(model, upstream.base_url, model, input_price="1", output_price="2")
        server.app("chat", model="ok")
        server.app("sum", "Sum up {{ text }} in {{ words }} words.", "user", model="ok")
        server.app("down", model="r500")
        server.app("busy", model="r429-7")
        server.app("backed", model="r500", fallbacks=("ok",))
        server.app("cut", model="cut")
        server.app("slow", model="slow-300")
        server.app("slower", model="slow-1500")
        server.app("broken", model="errorevent")
        thread = {"inputs": [{"name": "history", "kind": "thread"}]}
        server.app("threaded", "{{ history }}", "user", model="ok", content=thread)
        server.key = server.new_key(
            "all",
            "chat",
            "sum",
            "down",
            "busy",
            "backed",
            "cut",
            "slow",
            "slower",
            "broken",
            "threaded",
        )
        yield server


def _last(upstream: Witness) -> dict:
    return upstream.requests()[-1]["body"]


def test_the_sdk_chats_and_gets_usage(api: AppsServer, upstream: Witness):
    answer = api.client().chat.completions.create(
        model="chat", messages=[{"role": "user", "content": "good morning"}], user="u-1"
    )
    assert answer.choices[0].message.content == "echo: good morning"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "chat@1"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    sent = _last(upstream)
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    assert sent["model"] == "ok"
    assert "user" not in sent


def test_the_sdk_streams(api: AppsServer):
    stream = api.client().chat.completions.create(
        model="chat@production",
        messages=[{"role": "user", "content": "one two three"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert {chunk.model for chunk in chunks} == {"chat@1"}
    assert len({chunk.id for chunk in chunks}) == 1
    said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert said == "echo: one two three"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0


def test_the_request_id_is_in_header_and_stream(api: AppsServer):
    answer = api.chat("chat", stream=True)
    events = [line[6:] for line in answer.body.decode().split("\n") if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    assert json.loads(events[0])["id"] == answer.headers["x-request-id"]
    assert not any('"usage":{' in event for event in events)  # nobody asked for it


def test_variables_alone(api: AppsServer, upstream: Witness):
    inputs = {"text": "a long story", "words": 7}
    answer = api.call("/apps/sum/invoke", {"inputs": inputs}).json
    assert answer["output"] == "echo: Sum up a long story in 7 words."
    assert answer["release"] == 1
    assert answer["sources"] == []
    usage = answer["usage"]
    expected = usage["prompt_tokens"] * 1 + usage["completion_tokens"] * 2
    assert float(answer["cost_usd"]) == pytest.approx(expected / 1e6)
    assert api.chat("sum", messages=[], inputs=inputs).status == 200
    refused = api.chat("sum", "hello", inputs=inputs)
    assert refused.status == 422
    assert refused.error["param"] == "messages"


def test_an_invoke_streams_and_ends_with_its_result(api: AppsServer):
    body = {"inputs": {"text": "x", "words": 1}, "stream": True}
    answer = api.call("/apps/sum@1/invoke", body)
    events = [line[6:] for line in answer.body.decode().split("\n") if line.startswith("data: ")]
    result = json.loads(events[-2])
    assert result["object"] == "invoke.result"
    assert result["output"] == "echo: Sum up x in 1 words."
    assert result["request_id"] == answer.headers["x-request-id"]


def test_messages_fill_the_thread(api: AppsServer, upstream: Witness):
    turns = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "{{ 7 * 7 }}"},
        {"role": "user", "content": [{"type": "text", "text": "again"}]},
    ]
    assert api.chat("threaded", messages=turns).status == 200
    sent = [(m["role"], m["content"]) for m in _last(upstream)["messages"]]
    assert sent == [("user", "hi"), ("assistant", "{{ 7 * 7 }}"), ("user", "again")]


@pytest.mark.parametrize("role", ["system", "developer", "tool", "function", "", None, 3, [], {}])
def test_other_roles_are_refused(api: AppsServer, upstream: Witness, role: object):
    before = upstream.counts().requests
    answer = api.chat("chat", messages=[{"role": role, "content": "obey"}])
    assert answer.status == 422
    assert answer.error["param"] == "messages"
    assert upstream.counts().requests == before


@pytest.mark.parametrize(
    "field",
    ["temperature", "max_tokens", "tools", "response_format", "n", "system", "template", "logprobs",
     "base_url", "metadata", "seed", "stop", "top_p", "functions", "messages_", "Model"],
)  # fmt: skip
def test_an_app_is_frozen(api: AppsServer, upstream: Witness, field: str):
    before = upstream.counts().requests
    answer = api.chat("chat", **{field: 1})
    assert answer.status == 422
    assert answer.error["param"] == field
    assert upstream.counts().requests == before


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None), (b"[]", None), (b"{", None), (b'"x"', None), (b"\xff\xfe", None),
        (b'{"model": "chat"}', "messages"), (b'{"messages": []}', "model"),
        (b'{"model": 3, "messages": []}', "model"),
        (b'{"model": "chat", "messages": "hi"}', "messages"),
        (b'{"model": "chat", "messages": [3]}', "messages"),
        (b'{"model": "chat", "messages": [{"role": "user"}]}', "messages"),
        (b'{"model": "chat", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]}',
         "messages"),
        (b'{"model": "chat", "messages": [], "stream": "yes"}', "stream"),
        (b'{"model": "chat", "messages": [], "inputs": []}', "inputs"),
        (b'{"model": "chat", "messages": [], "inputs": {"x": 1}}', "inputs.x"),
        (b'{"model": "chat", "messages": [], "user": 5}', "user"),
        (b'{"model": "chat", "messages": [], "stream_options": {"x": 1}}', "stream_options"),
        (b'{"model": "sum", "messages": [], "inputs": {"text": "x"}}', "words"),
        (b"[" * 5000, None), (b'{"a":' * 3000, None),
    ],
)  # fmt: skip
def test_bad_bodies_are_told_what_is_wrong(api: AppsServer, body: bytes, param: str | None):
    answer = api.call("/v1/chat/completions", body)
    assert answer.status == 422
    assert answer.error["param"] == param
    assert answer.error["message"].endswith(".")


def test_a_huge_body_is_refused(api: AppsServer):
    answer = api.call("/v1/chat/completions", b'{"model": "' + b"x" * (1 << 20) + b'"}')
    assert answer.status == 413


def test_what_was_just_made_is_there_at_once(api: AppsServer):
    push(api.database, "Be kind.", "fresh", role="system")
    make_app(api.database, "fresh", prompt="fresh")
    release(api.database, "fresh")
    with api.database.session_scope(ACTOR) as session:
        key = create_key(session, KeyCreate(name="fresh", apps=("fresh",))).key
    assert api.call("/v1/models", key=key, method="GET").status == 200
    with api.database.session_scope(ACTOR) as session:
        aliases.promote(session, "fresh", 1, "staging")
    body = {"model": "fresh@staging", "messages": [{"role": "user", "content": "hi"}]}
    assert api.call("/v1/chat/completions", body, key=key).status == 200


def test_errors_by_class(api: AppsServer):
    client = api.client()
    hello = [{"role": "user", "content": "hi"}]
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="nothing", messages=hello)
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="chat@9", messages=hello)
    with pytest.raises(openai.UnprocessableEntityError):
        client.chat.completions.create(model="chat", messages=hello, temperature=1)
    with pytest.raises(openai.InternalServerError) as failed:
        client.chat.completions.create(model="down", messages=hello)
    assert "127.0.0.1" not in str(failed.value)  # where models are is nobody's business
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model="busy", messages=hello)
    with pytest.raises(openai.AuthenticationError):
        stranger = openai.OpenAI(base_url=api.base_url, api_key="ps_no", max_retries=0)
        stranger.models.list()


def test_the_sdk_tries_again(api: AppsServer, upstream: Witness):
    upstream.reset()
    with pytest.raises(openai.InternalServerError):
        api.client(max_retries=2).chat.completions.create(
            model="down", messages=[{"role": "user", "content": "again"}]
        )
    assert upstream.counts("r500").requests == 3


def test_the_next_model_answers_when_one_fails(api: AppsServer):
    for stream in (False, True):
        answer = api.chat("backed", "hello", stream=stream)
        assert answer.status == 200
        assert b"echo: hello" in answer.body.replace(b'"}', b"") or stream
    trace = _trace(api, answer.headers["x-request-id"])
    assert (trace.model, trace.fallback) == ("ok", True)


def test_a_stream_that_breaks_is_an_error_event_without_done(api: AppsServer):
    answer = api.chat("broken", "some words to say before", stream=True)
    if answer.status == 200:
        assert b'"error"' in answer.body
        assert b"[DONE]" not in answer.body
    else:
        assert answer.status == 503


def test_keys_see_their_own_apps(api: AppsServer):
    key = api.new_key("one", "chat")
    listed = api.call("/v1/models", key=key, method="GET").json["data"]
    assert [row["id"] for row in listed] == ["chat", "chat@production"]
    assert api.call("/v1/models/sum", key=key, method="GET").status == 404
    other = api.call("/apps/sum/invoke", {"inputs": {}}, key=key)
    unknown = api.call("/apps/nothing/invoke", {"inputs": {}}, key=key)
    assert (other.status, unknown.status) == (404, 404)
    assert other.error["message"].replace("sum", "nothing") == unknown.error["message"]
    for no_key in ("", "ps_x", "ps_" + "A" * 43):
        assert api.call("/v1/models", key=no_key, method="GET").status == 401


@pytest.mark.parametrize(
    "path", ["/v1/nothing", "/v1/", "/apps/chat", "/apps/chat/x/y", "/v1/chat"]
)
def test_an_unknown_path_is_told_in_the_error_shape(api: AppsServer, path: str):
    for method in ("GET", "POST", "DELETE"):
        answer = api.call(path, method=method)
        assert answer.status == 404
        assert answer.error["message"].endswith(".")
    wrong = api.call("/v1/models", method="DELETE")
    assert (wrong.status, wrong.headers["allow"]) == (405, "GET")


def _trace(api: AppsServer, request_id: str):
    deadline = time.monotonic() + 5
    while True:
        with api.database.read_scope() as session:
            try:
                return get_trace(session, request_id).row
            except Exception:
                if time.monotonic() > deadline:
                    raise
        time.sleep(0.05)


def test_a_call_leaves_a_trace(api: AppsServer):
    answer = api.chat("chat", "remember me", user="person-7")
    trace = _trace(api, answer.headers["x-request-id"])
    usage = answer.json["usage"]
    assert (trace.app, trace.release, trace.alias) == ("chat", 1, "production")
    assert (trace.status, trace.state, trace.user) == (200, "succeeded", "person-7")
    assert (trace.input_tokens, trace.output_tokens) == (
        usage["prompt_tokens"],
        usage["completion_tokens"],
    )
    assert trace.cost is not None


def test_feedback_reaches_its_call_and_no_other_apps(api: AppsServer):
    answer = api.chat("chat", "rate me")
    request_id = answer.headers["x-request-id"]
    said = {"request_id": request_id, "rating": "bad", "reasons": ["wrong"], "comment": "no"}
    stranger = api.new_key("stranger", "sum")
    assert api.call("/v1/feedback", said, key=stranger).status == 404
    assert api.call("/v1/feedback", said).json == {"request_id": request_id, "rating": "bad"}
    trace = _trace(api, request_id)
    assert (trace.rating, trace.review) == ("bad", "open")
    assert api.call("/v1/feedback", {**said, "request_id": "01NOTHING"}).status == 404
    for wrong in ({"rating": "great"}, {"stars": 5}, {"reasons": "x"}, {"request_id": 3}):
        assert api.call("/v1/feedback", {**said, **wrong}).status == 422


def test_the_same_idempotency_key_gets_the_same_answer(api: AppsServer, upstream: Witness):
    upstream.reset()
    header = {"idempotency-key": "k-1"}
    body = {"inputs": {"text": "once", "words": 1}}
    first = api.call("/apps/sum/invoke", body, headers=header)
    again = api.call("/apps/sum/invoke", body, headers=header)
    assert first.status == again.status == 200
    assert first.body == again.body
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert again.headers["x-request-id"] == first.headers["x-request-id"]
    said = {"request_id": again.headers["x-request-id"], "rating": "good"}
    assert api.call("/v1/feedback", said).status == 200
    assert upstream.counts().requests == 1
    other = {"inputs": {"text": "twice", "words": 1}}
    assert api.call("/apps/sum/invoke", other, headers=header).status == 422


def test_a_failed_call_can_be_made_again_under_its_key(api: AppsServer, upstream: Witness):
    upstream.reset()
    for _ in range(2):
        assert api.call(
            "/v1/chat/completions",
            {"model": "down", "messages": [{"role": "user", "content": "x"}]},
            headers={"idempotency-key": "k-2"},
        ).status == 503  # fmt: skip
    assert upstream.counts("r500").requests == 2


def test_a_call_whose_process_was_killed_frees_its_idempotency_key(
    api: AppsServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(idempotency, "SILENT", timedelta(seconds=0.5))
    monkeypatch.setattr(idempotency, "RENEW_SECONDS", 0.1)
    (key_id,) = (one.id for one in api.live._view.keys.values() if one.name == "all")
    body = {"model": "slow", "messages": [{"role": "user", "content": "x"}]}
    raw = json.dumps(body).encode()
    digest = hashlib.sha256(b"/v1/chat/completions\0" + raw).hexdigest()
    with api.database.session_scope("t") as session:  # what a killed process leaves
        assert idempotency.claim(session, key_id, "k-3", digest, "dead") is None
    header = {"idempotency-key": "k-3"}
    held = api.call("/v1/chat/completions", raw, headers=header)
    assert (held.status, held.error["code"]) == (409, "idempotency_running")
    time.sleep(0.5)
    assert api.call("/v1/chat/completions", raw, headers=header).status == 200


def test_a_long_call_keeps_its_idempotency_key(api: AppsServer, monkeypatch: pytest.MonkeyPatch):
    """The control: what still runs is not taken for dead."""
    monkeypatch.setattr(idempotency, "SILENT", timedelta(seconds=0.15))
    monkeypatch.setattr(idempotency, "RENEW_SECONDS", 0.02)
    body = {"model": "slow", "messages": [{"role": "user", "content": "y"}]}
    header = {"idempotency-key": "k-4"}
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(api.call, "/v1/chat/completions", body, headers=header)
        time.sleep(0.25)
        again = api.call("/v1/chat/completions", body, headers=header)
        assert (first.result().status, again.status) == (200, 409)


def test_beyond_what_a_process_can_answer_it_says_so_at_once(
    api: AppsServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(answering, "MOST_AT_ONCE", 3)
    with ThreadPoolExecutor(3) as pool:
        taken = [pool.submit(api.chat, "slower") for _ in range(3)]
        while len(api.answering._under_way) < 3:
            assert not any(one.done() for one in taken)
            time.sleep(0.005)
        busy = [api.chat("chat") for _ in range(3)]
        assert not all(one.done() for one in taken), "it is said at once"
        assert {one.result().status for one in taken} == {200}
    assert {one.status for one in busy} == {503}
    assert {one.error["code"] for one in busy} == {"overloaded"}
    assert all(one.headers["retry-after"] == "1" for one in busy)
    assert api.chat("chat").status == 200


def test_a_fault_of_ours_in_a_stream_is_an_error_event(
    api: AppsServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(chunks, "usage_chunk", lambda call: 1 // 0)
    answer = api.chat("chat", "one two", stream=True, stream_options={"include_usage": True})
    assert answer.status == 200
    events = [line[6:] for line in answer.body.decode().split("\n") if line.startswith("data: ")]
    assert json.loads(events[-1])["error"]["code"] == "internal"
    assert len(events) > 2
    assert b"[DONE]" not in answer.body
    assert b"division" not in answer.body
