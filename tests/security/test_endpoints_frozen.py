"""SAFETY E4 and T4: an app takes nothing but its inputs, and shows nothing to other apps' keys."""

import http.client
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import select

from core.users import ensure_admin, make_link_token, redeem
from prompts.content import MessageTemplate
from prompts.template import renderer
from serving import aliases
from serving.keys import find_key, revoke_key
from serving.lookup import touch_serving
from serving.models import Trace
from tests.prompts.hostile import BOMBS, ESCAPES
from tests.support.apps import ACTOR, change
from tests.support.apps_server import Answered, AppsServer, apps_server
from tests.support.depth import DEEP
from tests.support.endpoints import is_refusal, until
from tests.support.witness import Witness

KNOWN = [
    "chat_template",
    "chat_template_kwargs",
    "add_generation_prompt",
    "continue_final_message",
    "prompt_embeds",
    "add_special_tokens",
    "documents",
    "mm_processor_kwargs",
    "guided_json",
    "guided_regex",
    "guided_choice",
    "guided_grammar",
    "guided_decoding_backend",
    "structured_outputs",
    "structural_tag",
    "lora",
    "lora_request",
    "lora_name",
    "adapter",
    "logits_processors",
    "priority",
    "kv_transfer_params",
    "cache_salt",
    "truncate_prompt_tokens",
    "prompt_logprobs",
    "return_tokens_as_token_ids",
    "return_token_ids",
    "use_beam_search",
    "top_k",
    "min_p",
    "repetition_penalty",
    "length_penalty",
    "stop_token_ids",
    "include_stop_str_in_output",
    "ignore_eos",
    "min_tokens",
    "skip_special_tokens",
    "spaces_between_special_tokens",
    "echo",
    "best_of",
    "bad_words",
    "allowed_token_ids",
    "vllm_xargs",
    "extra_body",
    "extra_headers",
    "extra_query",
    "system",
    "system_prompt",
    "instructions",
    "base_url",
    "api_base",
    "api_key",
    "provider",
    "data",
    "data_sources",
    "store",
    "metadata",
    "modalities",
    "audio",
    "prediction",
    "reasoning_effort",
    "reasoning",
    "service_tier",
    "web_search_options",
    "tool_choice",
    "tools",
    "functions",
    "function_call",
    "parallel_tool_calls",
    "response_format",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "n",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "stop",
    "verbosity",
    "prompt_cache_key",
    "safety_identifier",
    "suffix",
    "template",
    "prompt",
    "input",
    "kb",
    "knowledge",
    "retrieval",
    "guards",
    "pinned",
    "release",
    "alias",
    "params",
    "fallbacks",
    "models",
    "app",
    "app_id",
    "key_id",
    "request_id",
    "__proto__",
    "constructor",
    "__class__",
    "Model",
    "MODEL",
    "messages[0]",
    "inputs.text",
    "stream_option",
    "Stream",
    "conversations",
    "users",
    "role",
    "content",
]
VALUES = (None, True, 0, -1, 1e308, "", "x", "{{ 7*7 }}", [], {}, [[]], {"a": {"b": [1]}})


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, upstream: Witness) -> Iterator[AppsServer]:
    """Apps of two owners; `alpha` keeps chats, `beta` has a second release and a canary."""
    with apps_server(tmp_path_factory.mktemp("frozen") / "data") as server:
        for model in ("ok", "said"):
            server.model(model, upstream.base_url, model)
        server.app("alpha", model="ok", history="server")
        server.app("beta", "You are strict.", model="ok", history="server")
        change(server.database, "beta", params={"temperature": 0.5})
        server.publish("beta", "staging")
        server.app("sum", "Sum up {{ text }} now.", "user", model="ok")
        server.app("says", "Say {{ text }}", "system", model="said", history="server")
        with server.database.session_scope(ACTOR) as session:
            aliases.promote(session, "beta", 2, "production", canary=50)
        server.live.refresh()
        server.key = server.new_key("mine", "alpha", "sum", "says")
        yield server


class Fields:
    """Fields that no app takes, from a seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def top(self, times: int) -> Iterator[tuple[str, object]]:
        """Every known name, then invented ones."""
        letters = "abcdefghijklmnopqrstuvwxyz_-.$ /{}'\"<>éя中😀\x00\x1f"
        for number in range(times):
            if number < len(KNOWN):
                name = KNOWN[number]
            else:
                size = self.chance.choice((1, 3, 8, 20, 64))
                name = "".join(self.chance.choice(letters) for _ in range(size))
            yield name, self.chance.choice(VALUES)

    def nested(self) -> Iterator[tuple[dict, str]]:
        """Bodies with a field too many within a known one, and what is to be named."""
        part = {"type": "text", "text": "hi"}
        for name in ("tool_calls", "tool_call_id", "function_call", "prompt_embeds", "template",
                     "cache_control", "model", "prefix", "reasoning_content", "refusal"):  # fmt: skip
            turn = {"role": "user", "content": "hi", name: [{"x": 1}]}
            yield {"messages": [turn]}, "messages"
            yield (
                {"messages": [{"role": "user", "content": [{**part, name: {"x": 1}}]}]},
                "messages",
            )
        for kind in ("image_url", "input_audio", "file", "prompt_embeds", "tool_result"):
            yield (
                {"messages": [{"role": "user", "content": [{"type": kind, kind: {}}]}]},
                "messages",
            )
        for name in ("context", "system", "text", "chat_template", "__class__", "history"):
            turns = [{"role": "user", "content": "hi"}]
            yield {"messages": turns, "inputs": {name: "x"}}, f"inputs.{name}"


def _times() -> int:
    return 1000 if DEEP else len(KNOWN) + 50


def test_a_field_too_many_is_refused_by_name_and_reaches_no_model(
    api: AppsServer, upstream: Witness
) -> None:
    upstream.reset()
    turns = {"messages": [{"role": "user", "content": "hi"}]}
    for number, (name, value) in enumerate(Fields(7).top(_times())):
        extra = {name: value, "stream": bool(number % 2)}
        if name in ("", "stream"):
            continue
        for path, body in (
            ("/v1/chat/completions", {"model": "alpha", **turns, **extra}),
            ("/apps/alpha/invoke", {**turns, **extra}),
        ):
            if body.get("model") and name == "model":
                continue
            answer = api.call(path, body)
            assert (answer.status, answer.error["param"]) == (422, name[:64]), (name, answer.body)
            assert is_refusal(answer.headers, answer.body), answer
    for body, param in Fields(8).nested():
        for path, whole in (
            ("/v1/chat/completions", {"model": "alpha", **body}),
            ("/apps/alpha/invoke", body),
        ):
            answer = api.call(path, whole)
            assert (answer.status, answer.error["param"]) == (422, param), (body, answer.body)
    assert upstream.counts().requests == 0


def test_without_the_field_the_same_call_goes_through_with_what_is_frozen_alone(
    api: AppsServer, upstream: Witness
) -> None:
    """The control: it is the field that the test above is refused for."""
    upstream.reset()
    turns = {"messages": [{"role": "user", "content": "hi"}], "user": "u"}
    assert api.call("/v1/chat/completions", {"model": "alpha", **turns}).status == 200
    assert api.call("/apps/alpha/invoke", {**turns, "stream": False}).status == 200
    sent = [call["body"] for call in upstream.requests()]
    assert sent[0] == sent[1]
    assert sent[0] == {
        "model": "ok",
        "messages": [
            {"role": "system", "content": "You are kind."},
            {"role": "user", "content": "hi"},
        ],
    }


def _session(api: AppsServer) -> str:
    with api.database.session_scope("t") as session:
        ensure_admin(session)
        token = make_link_token(session, "admin")
    with api.database.session_scope("t") as session:
        return f"promptstone_{api.port}={redeem(session, token)}"


def _expired(api: AppsServer, name: str, *apps: str) -> str:
    soon = datetime.now(UTC) + timedelta(days=1)
    token = api.new_key(name, *apps, expires_at=soon)
    assert api.call("/v1/models", key=token, method="GET").status == 200, "the control: it was good"
    with api.database.session_scope("t") as session:
        row = find_key(session, name)
        assert row is not None
        row.expires_at = datetime.now(UTC) - timedelta(seconds=1)
        session.add(row)
        touch_serving(session)
    api.live.refresh()
    return token


def _revoked(api: AppsServer, name: str, *apps: str) -> str:
    token = api.new_key(name, *apps)
    assert api.call("/v1/models", key=token, method="GET").status == 200, "the control: it was good"
    with api.database.session_scope("t") as session:
        assert revoke_key(session, name)
    api.live.refresh()
    return token


def _asks(app: str, request_id: str) -> dict[str, tuple[str, str, dict | None]]:
    """A call of each resource of `app`: method, path, body."""
    turns = [{"role": "user", "content": "hi"}]
    found: dict[str, tuple[str, str, dict | None]] = {}
    for ref in (app, f"{app}@1", f"{app}@2", f"{app}@production", f"{app}@staging", f"{app}@none"):
        found[f"chat {ref}"] = (
            "POST", "/v1/chat/completions", {"model": ref, "messages": turns})  # fmt: skip
        found[f"stream {ref}"] = (
            "POST", "/v1/chat/completions", {"model": ref, "messages": turns, "stream": True})  # fmt: skip
        found[f"invoke {ref}"] = ("POST", f"/apps/{ref}/invoke", {"messages": turns})
        found[f"model {ref}"] = ("GET", f"/v1/models/{ref}", None)
    talk = {"messages": turns, "conversation": "c-1"}
    found["conversation"] = ("POST", f"/apps/{app}/invoke", talk)
    found["feedback"] = ("POST", "/v1/feedback", {"request_id": request_id, "rating": "bad"})
    return found


def _send(api: AppsServer, ask: tuple[str, str, dict | None], **sent: str | None) -> Answered:
    method, path, body = ask
    token, cookie = sent.get("key"), sent.get("cookie")
    headers = {"content-type": "application/json"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    if cookie is not None:
        headers |= {"cookie": cookie, "origin": f"http://127.0.0.1:{api.port}"}
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=20)
    try:
        raw = None if body is None else json.dumps(body)
        connection.request(method, path, raw, headers)
        answer = connection.getresponse()
        return Answered(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


def test_what_is_anothers_looks_like_what_is_not_there(api: AppsServer, upstream: Witness) -> None:
    theirs = api.new_key("theirs", "beta")
    call = api.call(
        "/apps/beta/invoke", {"messages": [{"role": "user", "content": "x"}]}, key=theirs
    )
    request_id = call.json["request_id"]
    unknown = request_id[:-4] + "0000"
    closed = {
        "revoked": _revoked(api, "gone", "beta"),
        "expired": _expired(api, "late", "beta"),
        "none": None,
        "garbage": "ps_" + "A" * 43,
    }
    figures = api.new_key("figures", scope="metrics")
    cookie = _session(api)
    owned = _asks("beta", request_id)
    absent = {what.replace("zero", "beta"): ask for what, ask in _asks("zero", unknown).items()}
    for what, ask in owned.items():
        mine = _send(api, ask, key=theirs)
        assert mine.status == (404 if what.endswith("@none") else 200), (what, mine.body)
        before = upstream.counts().requests
        other = _send(api, ask, key=api.key)
        nothing = _send(api, absent[what], key=api.key)
        assert other.status == nothing.status == 404, (what, other.body)
        hidden = nothing.body.replace(b"zero", b"beta").replace(
            unknown.encode(), request_id.encode()
        )
        assert other.body == hidden, what
        assert is_refusal(other.headers, other.body)
        for role, token in closed.items():
            assert _send(api, ask, key=token).status == 401, (what, role)
        assert _send(api, ask, cookie=cookie).status == 401, what
        assert _send(api, ask, key=figures).status == 403, what
        assert upstream.counts().requests == before, "no one else's call reached the model"
    rated = _send(
        api, ("POST", "/v1/feedback", {"request_id": request_id, "rating": "good"}), key=theirs
    )
    assert rated.status == 200


def test_lists_and_figures_are_of_ones_own(api: AppsServer) -> None:
    theirs = api.new_key("lists", "beta")
    figures = api.new_key("counts", scope="metrics")
    own = ("GET", "/v1/models", None)
    assert {row["id"] for row in _send(api, own, key=theirs).json["data"]} == {
        "beta", "beta@production", "beta@staging"}  # fmt: skip
    assert "beta" not in _send(api, own, key=api.key).body.decode()
    scrape = ("GET", "/metrics", None)
    assert _send(api, scrape, key=figures).status == 200
    assert _send(api, scrape, key=theirs).status == 403
    assert _send(api, scrape).status == 401
    assert _send(api, own, key=figures).status == 403


def test_a_conversation_belongs_to_its_key_and_its_app(api: AppsServer, upstream: Witness) -> None:
    second = api.new_key("second", "alpha", "says")

    def turns(app: str, text: str, key: str) -> list[str]:
        body = {"messages": [{"role": "user", "content": text}], "conversation": "shared"}
        inputs = {"inputs": {"text": "x"}} if app == "says" else {}
        assert api.call(f"/apps/{app}/invoke", {**body, **inputs}, key=key).status == 200
        return [turn["content"] for turn in upstream.requests()[-1]["body"]["messages"][1:]]

    assert turns("alpha", "my secret", api.key) == ["my secret"]
    assert turns("alpha", "what was it?", second) == ["what was it?"]
    assert turns("says", "what was it?", api.key) == ["what was it?"]
    said = turns("alpha", "again", api.key)
    assert said == ["my secret", "echo: my secret", "again"], "the control: one's own is kept"


def test_an_idempotency_key_belongs_to_its_key(api: AppsServer) -> None:
    second = api.new_key("third", "alpha")
    body = {"messages": [{"role": "user", "content": "whose?"}]}
    header = {"idempotency-key": "same-token"}
    first = api.call("/apps/alpha/invoke", body, headers=header)
    other = api.call("/apps/alpha/invoke", body, headers=header, key=second)
    again = api.call("/apps/alpha/invoke", body, headers=header)
    assert first.json["request_id"] != other.json["request_id"]
    assert "idempotent-replayed" not in other.headers
    assert again.body == first.body, "the control: the same key is told the same answer"


def _payloads() -> list[str]:
    return (ESCAPES + BOMBS) if DEEP else (ESCAPES[::8] + BOMBS[::5])


def test_what_a_client_sends_is_never_a_template(api: AppsServer, upstream: Witness) -> None:
    upstream.reset()
    for number, payload in enumerate(_payloads()):
        user = payload[:256]
        turns = [{"role": "user", "content": payload}, {"role": "assistant", "content": payload},
                 {"role": "user", "content": payload}]  # fmt: skip
        chat = api.chat("alpha", messages=turns, user=user)
        assert chat.json["choices"][0]["message"]["content"] == f"echo: {payload}"
        assert [turn["content"] for turn in upstream.requests()[-1]["body"]["messages"]] == [
            "You are kind.", payload, payload, payload]  # fmt: skip
        summed = api.call("/apps/sum/invoke", {"inputs": {"text": payload}, "user": user})
        assert summed.json["output"] == f"echo: Sum up {payload} now."
        if number % 10 == 0:
            request_id = summed.json["request_id"]
            until(lambda known=request_id: _user(api, known) is not None, 5)
            assert _user(api, request_id) == user


def _user(api: AppsServer, request_id: str) -> str | None:
    with api.database.read_scope() as session:
        return session.exec(select(Trace.user).where(Trace.id == request_id)).first()


def test_what_a_model_answers_is_never_a_template(api: AppsServer, upstream: Witness) -> None:
    """It comes back as the next turn of a kept chat, and goes out as the next call's input."""
    for number, payload in enumerate(_payloads()[:: 1 if DEEP else 2]):
        upstream.reply("said", payload)
        chat = {"messages": [{"role": "user", "content": "go on"}], "conversation": f"t-{number}"}
        body = {**chat, "inputs": {"text": "a"}}
        first = api.call("/apps/says/invoke", body).json["output"]
        assert first == payload
        streamed = api.call(
            "/apps/says/invoke", {**body, "inputs": {"text": first}, "stream": True}
        )
        events = [
            line[6:] for line in streamed.body.decode().split("\n") if line.startswith("data: ")
        ]
        assert json.loads(events[-2])["output"] == payload
        sent = [turn["content"] for turn in upstream.requests()[-1]["body"]["messages"]]
        assert sent == [f"Say {payload}", "go on", payload, "go on"]


def test_as_a_template_it_would_do_something() -> None:
    """The control: what is payload above is read where a prompt says it."""
    texts = ["{{ 7 * 7 }}", *_payloads()[:3]]
    for text in texts:
        message = MessageTemplate(role="user", content=text)
        (made,) = renderer().render_many([message], [{}])
        shown = getattr(made, "messages", [{"content": None}])[0]["content"]
        assert shown != text
