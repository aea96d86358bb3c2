"""What is kept of one call, from the moment it is admitted until the recorder has written it."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

State = Literal["succeeded", "failed", "blocked", "pinned", "aborted"]


@dataclass(slots=True)
class Step:
    """One step of a call: guard, pinned, retrieve, render, call, fallback, repair or check.

    `at_ms` counts from the call's start. `ok` false is a step that ended or redirected the call.
    """

    kind: str
    name: str
    at_ms: float
    ms: float
    ok: bool = True
    detail: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(slots=True)
class CallContent:
    """What was said; kept only where an app's content logging is on."""

    inputs: dict[str, Any] = field(default_factory=dict[str, Any])
    given: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    output: str = ""
    tool_calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    sources: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    steps: list[Step] = field(default_factory=list[Step])


@dataclass(slots=True)
class CallRecord:
    """The row of one call (`serving.models.Trace`) with its content, if that is kept.

    `given` of the content are the client's messages, `messages` what went to the model.
    """

    id: str
    app_id: str
    app: str
    release: int
    at: datetime
    alias: str | None = None
    canary: bool = False
    key_id: str | None = None
    user: str | None = None
    conversation: str | None = None
    status: int = 200
    state: State = "succeeded"
    stream: bool = False
    model: str | None = None
    fallback: bool = False
    repaired: bool = False
    ttft_ms: float | None = None
    latency_ms: float = 0.0
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: Decimal | None = None
    error: str | None = None
    error_kind: str | None = None
    content: CallContent | None = None
