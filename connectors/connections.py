"""Everything that asks models in one event loop: connections, connectors, gates."""

from pathlib import Path

from connectors.chat import ChatClient
from connectors.demo import DemoConnector
from connectors.echo import EchoConnector
from connectors.langchain import LangChainConnector
from connectors.limits import Limits, ModelGate
from connectors.wire import ChatAnswer, ChatRequest, Connector, OnDelta, Target


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
        self._gates: dict[str, ModelGate] = {}

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
            case "echo":
                return EchoConnector()
            case "langchain":
                return LangChainConnector(target)

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
