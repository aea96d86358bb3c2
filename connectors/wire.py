"""The values that cross the wire: what is asked, what is answered, what went wrong."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, cast

from core.canonical import Json, content_hash
from core.errors import Unavailable

Message = Mapping[str, Json]

FailureKind = Literal[
    "timeout",
    "rate_limited",
    "server",
    "connection",
    "auth",
    "forbidden",
    "not_found",
    "quota",
    "bad_request",
    "garbage",
    "too_large",
    "redirect",
    "refused_address",
    "cancelled",
]
Kind = Literal["openai", "langchain", "demo", "echo", "app", "backend"]
Structured = Literal["native", "prompt", "off"]

RETRYABLE: frozenset[FailureKind] = frozenset({"timeout", "rate_limited", "server", "connection"})
FATAL_FOR_MODEL: frozenset[FailureKind] = frozenset(
    {"auth", "forbidden", "not_found", "quota", "redirect", "refused_address"}
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a call goes; the key is never in its repr.

    `base_url` ends before `/chat/completions`. `provider` is LangChain's provider name, or the
    name of a backend.
    `local_allowed`: this exact host:port is on the administrator's allowlist, so a private or
    loopback address behind it is accepted. Time-outs are in seconds; `idle_timeout` is the longest
    silence within a stream.
    """

    name: str
    kind: Kind
    model_id: str
    base_url: str = ""
    provider: str = ""
    api_key: str | None = field(default=None, repr=False)
    timeout: float = 120.0
    idle_timeout: float = 60.0
    structured: Structured = "native"
    local_allowed: bool = False

    @property
    def origin(self) -> str:
        """What a request key is bound to: the same model elsewhere is another one."""
        return self.base_url if self.kind == "openai" else f"{self.kind}:{self.provider}"


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One chat call; `params` are sent as they are (temperature, max_tokens, ...)."""

    messages: Sequence[Message]
    params: Mapping[str, Json] = field(default_factory=dict[str, Json])
    schema: Mapping[str, Json] | None = None
    tools: Sequence[Mapping[str, Json]] | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call; `estimated` when the provider did not say or said nonsense."""

    input_tokens: int
    output_tokens: int
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """A whole answer. `ttft_ms` is None when the answer was not streamed."""

    text: str
    tool_calls: Sequence[Mapping[str, Json]]
    finish_reason: str | None
    usage: Usage
    ttft_ms: float | None
    latency_ms: float
    model: str


@dataclass(frozen=True, slots=True)
class ChatFailure:
    """Why a call has no answer: a value. `message` is one sentence with the remedy, without keys.

    `status` is the HTTP status if there was one; `retry_after` is in seconds.
    """

    kind: FailureKind
    message: str
    status: int | None = None
    retry_after: float | None = None
    retryable: bool = False
    fatal_for_model: bool = False


class ChatError(Unavailable):
    """A call without an answer; `failure` says why, as a value that a cell can keep."""

    def __init__(self, failure: ChatFailure) -> None:
        super().__init__(failure.message, code=failure.kind)
        self.failure = failure


OnDelta = Callable[[str], None]


class Connector(Protocol):
    """One model, whoever serves it."""

    async def chat(self, request: ChatRequest, *, on_delta: OnDelta | None = None) -> ChatAnswer:
        """Ask once, without retries; with `on_delta` the text is streamed to it piece by piece.

        Raises ChatError.
        """
        ...


def failure(
    kind: FailureKind,
    message: str,
    *,
    status: int | None = None,
    retry_after: float | None = None,
) -> ChatFailure:
    """A ChatFailure whose two flags follow from its kind."""
    return ChatFailure(
        kind, message, status, retry_after, kind in RETRYABLE, kind in FATAL_FOR_MODEL
    )


def content_text(content: object) -> str:
    """A message's content as text; of a list of parts, the texts joined."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list | tuple):
        return ""
    parts = cast(Sequence[object], content)
    texts = (cast(Mapping[str, object], p).get("text") for p in parts if isinstance(p, Mapping))
    return "".join(text for text in texts if isinstance(text, str))


def request_key(
    origin: str,
    model_id: str,
    messages: Sequence[Message],
    tools: Sequence[Mapping[str, Json]] | None,
    schema: Mapping[str, Json] | None,
    params: Mapping[str, Json],
    repeat: int,
) -> str:
    """sha256 of what goes over the wire; `origin` is the base URL or `provider:model`.

    Names, prices and limits are left out, so that equal calls of two arms share one answer.
    """
    return content_hash([origin, model_id, list(messages), tools, schema, params, repeat])
