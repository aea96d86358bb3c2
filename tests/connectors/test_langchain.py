"""LangChain's models behind the same interface, against the loopback server."""

import ipaddress
import socket
import sys
from collections.abc import Iterator

import pytest

from connectors.address import Ip
from connectors.connections import Connections
from connectors.langchain import LangChainConnector
from connectors.resolver import CheckedResolver
from connectors.wire import ChatError, ChatRequest, Target, Usage
from tests.support.witness import Witness, witness

KEY = "sk-canary-0a1b2c3d4e5f60718293"
ASK = ChatRequest([{"role": "system", "content": "be brief"}, {"role": "user", "content": "a b c"}])


@pytest.fixture(scope="module")
def server() -> Iterator[Witness]:
    with witness() as running:
        yield running


def target(server: Witness, model: str, **settings: object) -> Target:
    values: dict[str, object] = {
        "base_url": server.base_url,
        "provider": "openai",
        "api_key": KEY,
        "timeout": 2.0,
        "local_allowed": True,
    }
    return Target("lc", "langchain", model, **(values | settings))  # type: ignore[arg-type]


def connector(server: Witness, model: str, **settings: object) -> LangChainConnector:
    return LangChainConnector(target(server, model, **settings))


async def test_answer_and_stream(server: Witness) -> None:
    async with Connections(None) as connections:  # type: ignore[arg-type]
        model = connections.connector(target(server, "ok"))
        answer = await model.chat(ASK)
        assert (answer.text, answer.usage, answer.finish_reason) == (
            "echo: a b c",
            Usage(5, 4),
            "stop",
        )
        pieces: list[str] = []
        streamed = await model.chat(ASK, on_delta=pieces.append)
        assert "".join(pieces) == streamed.text == "echo: a b c"
        assert len(pieces) == 4
        assert streamed.usage == Usage(5, 4)
        assert streamed.ttft_ms is not None


async def test_parameters_tools_and_schema_reach_the_provider(server: Witness) -> None:
    tools = [
        {"type": "function", "function": {"name": "look", "description": "d", "parameters": {}}}
    ]
    request = ChatRequest(
        ASK.messages,
        params={"temperature": 0.25, "max_tokens": 9},
        tools=tools,
        schema={"type": "object"},
    )
    answer = await connector(server, "tool").chat(request)
    sent = server.requests()[-1]["body"]
    assert sent["temperature"] == 0.25
    assert 9 in (sent.get("max_tokens"), sent.get("max_completion_tokens"))
    assert sent["tools"][0]["function"]["name"] == "look"
    assert '{"type":"object"}' in sent["messages"][0]["content"]
    assert answer.tool_calls[0]["function"] == {"name": "look", "arguments": '{"q":"x"}'}


@pytest.mark.parametrize(
    ("model", "kind", "retryable"),
    [
        ("r401", "auth", False),
        ("echokey", "auth", False),
        ("r404", "not_found", False),
        ("quota", "quota", False),
        ("r429-3", "rate_limited", True),
        ("r500", "server", True),
        ("hang", "timeout", True),
        ("rst", "connection", True),
        ("redirect", "redirect", False),
    ],
)
async def test_failures_are_the_same_values(
    server: Witness, model: str, kind: str, retryable: bool
) -> None:
    before = server.counts(model).requests
    with pytest.raises(ChatError) as failed:
        await connector(server, model).chat(ASK)
    assert (failed.value.failure.kind, failed.value.failure.retryable) == (kind, retryable)
    assert KEY not in str(failed.value)
    assert server.counts(model).requests == before + 1, "retries are the gate's business"
    if model == "r429-3":
        assert failed.value.failure.retry_after == 3


async def test_address_is_checked(server: Witness) -> None:
    before = server.counts().requests
    with pytest.raises(ChatError) as refused:
        await connector(server, "ok", local_allowed=False).chat(ASK)
    assert refused.value.failure.kind == "refused_address"
    assert server.counts().requests == before


class Rebinding(CheckedResolver):
    """A name server that gives these addresses in turn, and the last one for ever."""

    def __init__(self, *answers: str) -> None:
        super().__init__()
        self.answers = [ipaddress.ip_address(answer) for answer in answers]

    async def look_up(self, host: str, port: int, family: socket.AddressFamily) -> list[Ip]:
        return [self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]]


def by_name(server: Witness, name: str, **settings: object) -> Target:
    return target(server, "ok", base_url=f"http://{name}:{server.port}/v1", **settings)


async def test_the_ip_that_was_checked_is_connected_to(server: Witness) -> None:
    asked = by_name(server, "models.example.org")  # a name that no other resolver knows
    answer = await LangChainConnector(asked, Rebinding("127.0.0.1")).chat(ASK)
    assert answer.text == "echo: a b c"
    assert server.requests()[-1]["headers"]["host"] == f"models.example.org:{server.port}"


@pytest.mark.parametrize("pinned", [True, False])
async def test_a_name_that_turns_local_after_the_check_is_refused(
    server: Witness, monkeypatch: pytest.MonkeyPatch, pinned: bool
) -> None:
    monkeypatch.setattr("connectors.resolver.REMEMBERED", -1.0)
    if not pinned:  # the control: the system's resolver says 127.0.0.1 whatever was checked
        monkeypatch.setattr("connectors.langchain._PINNED", ())
    before = server.counts().requests
    resolver = Rebinding("93.184.216.34", "127.0.0.1")
    model = LangChainConnector(by_name(server, "localhost", local_allowed=False), resolver)
    if pinned:
        with pytest.raises(ChatError) as refused:
            await model.chat(ASK)
        assert refused.value.failure.kind == "refused_address"
    else:
        await model.chat(ASK)
    assert server.counts().requests == before + (not pinned)


async def test_a_proxy_of_the_environment_is_not_asked(
    server: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await connector(server, "ok").chat(ASK)).text == "echo: a b c"


async def test_a_missing_package_is_named() -> None:
    missing = Target("lc", "langchain", "command-r", provider="cohere")
    with pytest.raises(ChatError, match="langchain-cohere"):
        await LangChainConnector(missing).chat(ASK)


async def test_unknown_provider_is_named() -> None:
    with pytest.raises(ChatError, match="nonsense"):
        await LangChainConnector(Target("lc", "langchain", "x", provider="nonsense")).chat(ASK)


def test_langchain_is_loaded_only_when_asked() -> None:
    import subprocess

    code = (
        "import sys, connectors.connections; print([m for m in sys.modules if 'langchain_' in m])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
