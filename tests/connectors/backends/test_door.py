"""What of vLLM can be reached, by whom: its fifty paths, and the few that are ours."""

import asyncio
from typing import Any

import pytest

from connectors.backends.connector import bounded
from connectors.backends.inside_vllm.promptstone_door import Door
from connectors.parameters import refusal_of
from connectors.wire import ChatError, ChatRequest, Target

KEY = "k" * 43
OURS = {
    ("POST", "/v1/chat/completions"), ("POST", "/v1/completions"), ("POST", "/v1/embeddings"),
    ("GET", "/v1/models"), ("POST", "/v1/load_lora_adapter"), ("POST", "/v1/unload_lora_adapter"),
    ("GET", "/metrics"), ("GET", "/health"),
}  # fmt: skip
PATHS = (
    *{path for _, path in OURS},
    *("/", "/v1", "/docs", "/redoc", "/openapi.json", "/version", "/ping", "/load", "/invocations"),
    *("/tokenize", "/detokenize", "/tokenizer_info", "/pooling", "/classify", "/score", "/rerank"),
    *("/v1/score", "/v1/rerank", "/v2/rerank", "/v1/responses", "/v1/responses/x/cancel"),
    *("/v1/audio/transcriptions", "/v1/audio/translations", "/v1/realtime", "/v1/messages"),
    *("/sleep", "/wake_up", "/is_sleeping", "/pause", "/resume", "/is_paused", "/collective_rpc"),
    *("/reset_prefix_cache", "/reset_mm_cache", "/reset_encoder_cache", "/server_info"),
    *("/start_profile", "/stop_profile", "/scale_elastic_ep", "/is_scaling_elastic_ep"),
    *("/init_weight_transfer_engine", "/update_weights", "/get_world_size", "/abort_requests"),
    *("/inference/v1/generate", "/v1/files", "/v1/batches", "/adapters", "/adapters/x"),
    *("/v1/chat/completions/render", "/v1/completions/", "//v1/models", "/v1/models/../../sleep"),
    *("/V1/models", "/health/x", "/metrics/", "/v1/load_lora_adapter/"),
)  # fmt: skip
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")


def reached(method: str, path: str, key: str | None, kind: str = "http", door: Any = Door) -> int:
    """The status of a call; 200 is what stands behind the door."""
    statuses: list[int] = []

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})

    async def send(message: dict[str, Any]) -> None:
        statuses.append(int(message.get("status", message.get("code", 0))))

    headers = [] if key is None else [(b"authorization", f"Bearer {key}".encode())]
    scope = {"type": kind, "method": method, "path": path, "headers": headers}
    asyncio.run(door(behind)(scope, None, send))
    return statuses[0]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTSTONE_BACKEND_KEY", KEY)


def test_only_our_paths_are_behind_the_door() -> None:
    assert len(PATHS) > 60
    for path in PATHS:
        for method in METHODS:
            expected = 200 if (method, path) in OURS else 404
            assert reached(method, path, KEY) == expected, (method, path)


def test_nothing_but_health_without_the_key() -> None:
    for wrong in (None, "", "k" * 42, KEY + "k"):
        for path in PATHS:
            for method in ("GET", "POST"):
                status = reached(method, path, wrong)
                assert status == (401 if path != "/health" else 200 if method == "GET" else 404)
    assert reached("GET", "/v1/realtime", None, kind="websocket") == 1008
    assert reached("GET", "/v1/realtime", KEY, kind="websocket") == 1008


def test_without_the_door_they_could_be_reached() -> None:
    assert reached("POST", "/invocations", None, door=lambda app: app) == 200


TARGET = Target("v", "backend", "m", provider="v")


def sent(params: dict[str, Any], content: Any = "hi") -> dict[str, Any]:
    request = ChatRequest([{"role": "user", "content": content}], params=params)
    return dict(bounded(TARGET, request, 100).params)


def test_what_replaces_the_prompt_is_left_out_and_answers_are_bounded() -> None:
    given = {"chat_template": "x", "chat_template_kwargs": {}, "prompt_embeds": "x"}
    assert sent({**given, "temperature": 0}) == {"temperature": 0}
    assert sent({"max_tokens": 10**9, "max_completion_tokens": 5}) == {
        "max_tokens": 100, "max_completion_tokens": 5,
    }  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "n",
        "best_of",
        "documents",
        "mm_processor_kwargs",
        "priority",
        "structured_outputs",
        "kv_transfer_params",
        "vllm_xargs",
    ],
)
def test_what_is_no_sampling_is_refused(name: str) -> None:
    with pytest.raises(ChatError, match=name):
        sent({name: 5})
    assert refusal_of("backend", {name: 5})


def test_servers_fetch_nothing() -> None:
    """Control: what is sent along is fine."""
    part = {"type": "image_url", "image_url": {"url": "http://169.254.169.254/"}}
    with pytest.raises(ChatError, match="fetch"):
        sent({}, [part])
    assert sent({}, [{**part, "image_url": {"url": "data:image/png;base64,AAAA"}}]) == {}
