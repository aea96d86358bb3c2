"""Everything that asks models in one event loop: connections, connectors, gates."""

from collections.abc import Callable
from pathlib import Path

from connectors.backends.connector import BackendConnector
from connectors.chat import ChatClient
from connectors.demo import DemoConnector
from connectors.echo import EchoConnector
from connectors.langchain import LangChainConnector
from connectors.limits import Limits, ModelGate
from connectors.relay import Relay
from connectors.spoken import speak
from connectors.upstream import StreamAs, Upstream
from connectors.wire import ChatAnswer, ChatRequest, Connector, OnDelta, Target
from core.errors import Unavailable

_KEPT = 64
Apps = Callable[[Target], Connector]
"""Whoever answers for a published app that is asked as a model."""


class _OpenAIConnector:
    """A target bound to the loop's client."""

    def __init__(self, client: ChatClient, target: Target) -> None:
        self._client = client
        self._target = target

    async def chat(self, request: ChatRequest, *, on_delta: OnDelta | None = None) -> ChatAnswer:
        return await self._client.chat(self._target, request, on_delta=on_delta)


class Connections:
    """`async with Connections(data_dir) as connections`; one for each event loop."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._client = ChatClient()
        self._relay = Relay(self._client)
        self._streaming: dict[Target, Connector] = {}
        self._gates: dict[str, ModelGate] = {}
        self._apps: Apps | None = None

    def serve_apps(self, apps: Apps) -> None:
        """Let `apps` answer for targets of kind app, which stand above this floor."""
        self._apps = apps

    async def __aenter__(self) -> "Connections":
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.__aexit__()

    def connector(self, target: Target) -> Connector:
        """Who answers for a target; cheap to make, worth keeping for as long as the target is."""
        match target.kind:
            case "openai":
                return _OpenAIConnector(self._client, target)
            case "demo":
                return DemoConnector(self._client, target, self._data_dir)
            case "backend":
                return BackendConnector(self._client, target, self._data_dir)
            case "echo":
                return EchoConnector()
            case "langchain":
                return LangChainConnector(target)
            case "app":
                if self._apps is None:
                    raise Unavailable("Apps are not answered in this process. Report this.")
                return self._apps(target)

    async def stream(
        self,
        target: Target,
        request: ChatRequest,
        *,
        id: str,
        model: str,
        include_usage: bool = False,
    ) -> Upstream:
        """Ask and wait for the first word; events carry `id` and `model`. Raises ChatError."""
        named = StreamAs(id, model, include_usage)
        if target.kind == "openai":
            return await self._relay.open(target, request, named)
        connector = self._streaming.get(target)
        if connector is None:
            # A target is a state of a model's settings: old ones pile up as those change.
            if len(self._streaming) >= _KEPT:
                self._streaming.clear()
            connector = self._streaming[target] = self.connector(target)
        if isinstance(connector, DemoConnector | BackendConnector):
            return await connector.stream(self._relay, request, named)
        return await speak(connector, target, request, named)

    async def model_ids(self, target: Target) -> list[str]:
        """Model ids that an OpenAI-compatible server lists. Raises ChatError."""
        return await self._client.model_ids(target)

    def gate(self, name: str, limits: Limits) -> ModelGate:
        """The one gate of a model, shared by all runs of this loop, brought up to `limits`."""
        gate = self._gates.get(name)
        if gate is None:
            gate = self._gates[name] = ModelGate(limits)
        gate.update(limits)
        return gate
