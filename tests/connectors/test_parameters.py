"""Parameters come from prompt files of strangers too: they never move a call or its key."""

from collections.abc import Iterator

import pytest

import connectors.langchain as langchain_connector
from connectors.connections import Connections
from connectors.models import ModelSettings
from connectors.parameters import refusal_of
from connectors.service import add_model
from connectors.wire import ChatError, ChatRequest, Json, Target
from core.database import Database
from core.errors import Invalid
from evalsets.runs.service import RunRequest, plan
from tests.support.running import add_cases, add_prompt
from tests.support.witness import Witness, witness

KEY = "sk-canary-77aa88bb99cc00dd11ee"
NAMES = ("base_url", "openai_api_base", "openai_proxy", "default_headers", "http_client", "extra_body",
         "model_kwargs", "model_provider", "configurable_fields", "config_prefix", "callbacks",
         "command", "args", "__reduce__", "anthropic_api_url", "azure_endpoint", "client_options",
         "api_key", "extra_headers", "endpoint_url", "cache", "max_retries")  # fmt: skip


@pytest.fixture(scope="module")
def own() -> Iterator[Witness]:
    with witness() as running:
        yield running


@pytest.fixture(scope="module")
def canary() -> Iterator[Witness]:
    with witness() as running:
        yield running


def _target(own: Witness, kind: str, **settings: object) -> Target:
    known = {"base_url": own.base_url, "api_key": KEY, "provider": "openai", "timeout": 2.0}
    return Target("m", kind, "ok", **(known | {"local_allowed": True} | settings))  # type: ignore[arg-type]


async def _ask(target: Target, params: dict[str, Json]) -> str:
    async with Connections(None) as connections:  # type: ignore[arg-type]
        ask = ChatRequest([{"role": "user", "content": "a"}], params=params)
        return (await connections.connector(target).chat(ask)).text


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("with_address", [True, False])
async def test_no_parameter_leads_a_langchain_call_elsewhere(
    own: Witness, canary: Witness, name: str, with_address: bool
) -> None:
    target = _target(own, "langchain", **({} if with_address else {"base_url": ""}))
    with pytest.raises(ChatError, match=r"Leave it out|Give the key") as refused:
        await _ask(target, {name: canary.base_url})
    assert refused.value.failure.kind == "bad_request"
    assert canary.counts().requests == 0


async def test_without_the_check_the_key_goes_elsewhere(
    own: Witness, canary: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: this is what a prompt file of a stranger would have reached."""
    monkeypatch.setattr(langchain_connector, "check_params", lambda *_: None)
    unpinned = {"stream_usage": True}  # the client that connects to checked addresses only
    monkeypatch.setattr(langchain_connector, "_openai_settings", lambda *_: dict(unpinned))
    assert await _ask(_target(own, "langchain", base_url=""), {"base_url": canary.base_url})
    assert canary.requests()[0]["headers"]["authorization"] == f"Bearer {KEY}"
    canary.reset()


@pytest.mark.parametrize("name", ["model", "messages", "stream", "tools", "n", "api_key"])
async def test_what_a_call_sets_itself_is_no_parameter(own: Witness, name: str) -> None:
    before = own.counts().requests
    with pytest.raises(ChatError):
        await _ask(_target(own, "openai"), {name: "x"})
    assert own.counts().requests == before


async def test_the_usual_parameters_arrive(own: Witness) -> None:
    params: dict[str, Json] = {"temperature": 0.5, "top_p": 0.9, "seed": 1, "max_tokens": 5}
    for kind in ("openai", "langchain"):
        assert await _ask(_target(own, kind), dict(params)) == "echo: a"
        assert own.requests()[-1]["body"]["temperature"] == 0.5
    assert refusal_of("openai", {"num_ctx": 1, "guided_json": {}}) is None


def test_a_model_or_a_run_with_such_a_parameter_is_refused(
    sqlite_db: Database, own: Witness
) -> None:
    settings = ModelSettings(kind="langchain", provider="openai", model="gpt-x")
    openai = ModelSettings(model="ok", base_url=own.base_url)
    with sqlite_db.session_scope("t") as session:
        for bad, name in ((settings, "base_url"), (openai, "api_key"), (openai, "n")):
            with pytest.raises(Invalid, match=name):
                add_model(session, "m", bad.model_copy(update={"params": {name: "x"}}),
                          allow_local=True)  # fmt: skip
        add_model(session, "lc", settings, allow_local=True)
        add_model(session, "m", openai, allow_local=True)
    add_cases(sqlite_db, 1)
    add_prompt(sqlite_db, options={"base_url": "http://127.0.0.1:9/v1"})
    add_prompt(sqlite_db, "plain")

    def planned(prompt: str, model: str, *params: tuple[str, str]) -> int:
        request = {"prompts": (prompt,), "models": (model,), "dataset": "cases", "params": params}
        return plan(sqlite_db, RunRequest.model_validate(request)).cells

    assert planned("plain", "m", ("seed", "1")) == 1
    for prompt, model, params in (
        ("ask", "lc", ()),
        ("plain", "m", (("messages", "x"),)),
        ("plain", "m", (("model", "other"),)),
        ("plain", "lc", (("base_url", "x"),)),
    ):
        with pytest.raises(Invalid, match="parameter"):
            planned(prompt, model, *params)
