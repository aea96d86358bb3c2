"""One call on its way through an app: what was asked, what happened, what it took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from connectors.prices import Price, cost
from connectors.wire import ChatAnswer, ChatError, Usage
from core.clock import utcnow
from core.errors import Invalid, PromptstoneError, RateLimited, Unavailable, http_status
from rag.answer import Source
from serving.bodies import Asked
from serving.keys import LiveKey
from serving.live import Chosen
from serving.loaded import LoadedRelease
from serving.records import CallContent, CallRecord, State, Step


@dataclass(slots=True)
class Call:
    """A call that was admitted; `record` grows with it and is put to the recorder at its end.

    `stopped`: it is the server that leaves, not the client.
    """

    id: str
    chosen: Chosen
    release: LoadedRelease
    asked: Asked
    key: LiveKey | None
    record: CallRecord
    content: CallContent
    started: float
    tokens_in: int = 0
    tokens_out: int = 0
    cost: Decimal = Decimal(0)
    unpriced: bool = False
    asked_model: bool = False
    sources: tuple[Source, ...] = ()
    notes: list[str] = field(default_factory=list[str])
    ended: bool = False
    stopped: bool = False

    @property
    def ref(self) -> str:
        """What an answer names as its model: the release that gave it."""
        return f"{self.record.app}@{self.record.release}"

    def elapsed_ms(self) -> float:
        """Milliseconds since the call was admitted."""
        return (time.perf_counter() - self.started) * 1000

    @contextmanager
    def step(self, kind: str, name: str = "") -> Iterator[Step]:
        """A step with its time; an exception marks it as not ok."""
        at = self.elapsed_ms()
        step = Step(kind, name, round(at, 3), 0.0)
        self.content.steps.append(step)
        try:
            yield step
        except BaseException:
            step.ok = False
            raise
        finally:
            step.ms = round(self.elapsed_ms() - at, 3)

    def took(self, usage: Usage, price: Price | None) -> None:
        """Add what one request to a model took."""
        self.asked_model = True
        self.tokens_in += usage.input_tokens
        self.tokens_out += usage.output_tokens
        paid = cost(usage, price)
        if paid is None:
            self.unpriced = True
        else:
            self.cost += paid

    def usage(self) -> dict[str, int]:
        """OpenAI's usage of the whole call, repairs and fallbacks included."""
        total = self.tokens_in + self.tokens_out
        return {
            "prompt_tokens": self.tokens_in,
            "completion_tokens": self.tokens_out,
            "total_tokens": total,
        }

    def cost_usd(self) -> str | None:
        """What the call cost as an unrounded decimal text; null if any part is unpriced."""
        return None if self.unpriced else format(self.cost, "f")

    def end(self, *, keep_content: bool) -> CallRecord | None:
        """The record of the ended call; None if it had ended before."""
        if self.ended:
            return None
        self.ended = True
        record = self.record
        record.latency_ms = round(self.elapsed_ms(), 3)
        if self.asked_model:
            record.input_tokens, record.output_tokens = self.tokens_in, self.tokens_out
        record.cost = None if self.unpriced else self.cost
        record.content = self.content if keep_content else None
        return record

    def fail(self, error: BaseException) -> None:
        """Note why there is no answer."""
        record = self.record
        if isinstance(error, PromptstoneError):
            record.status = http_status(error).status
            record.error, record.error_kind = told(error), error.code or type(error).__name__
        else:
            record.status, record.error_kind = 500, type(error).__name__
            record.error = f"{type(error).__name__}. The server's log tells more."
        record.state = _state(error)

    def answered(self, answer: ChatAnswer | None, text: str) -> None:
        """Note what was said."""
        self.content.output = text
        if answer is not None:
            self.content.tool_calls = [dict(one) for one in answer.tool_calls]


class Blocked(Invalid):
    """A guard of the app refused what was asked or answered."""


def _state(error: BaseException) -> State:
    return "blocked" if isinstance(error, Blocked) else "failed"


def told(error: PromptstoneError) -> str:
    """The whole reason, for those who may read traces."""
    return str(error.__cause__) if isinstance(error.__cause__, ChatError) else error.message


def upstream_error(error: ChatError, request_id: str) -> PromptstoneError:
    """What a client is told when no model of an app answered: nothing of where they are."""
    kind = error.failure.kind
    if kind == "rate_limited":
        made: PromptstoneError = RateLimited(
            "The model behind this app takes no more calls for now. Try again later.",
            code="upstream_rate_limited",
        )
    else:
        made = Unavailable(
            f"The model behind this app gave no answer ({kind}). Try again, or ask whoever runs "
            f"the app about the call {request_id}.",
            code=f"upstream_{kind}",
        )
    made.__cause__ = error
    return made


def new_call(
    request_id: str,
    chosen: Chosen,
    release: LoadedRelease,
    asked: Asked,
    key: LiveKey | None,
    user: str | None,
) -> Call:
    """A call that begins now."""
    record = CallRecord(
        id=request_id,
        app_id=chosen.app.id,
        app=chosen.app.name,
        release=chosen.number,
        at=utcnow(),
        alias=chosen.alias,
        canary=chosen.canary,
        key_id=None if key is None else key.id,
        user=user,
        conversation=asked.conversation,
        stream=asked.stream,
    )
    given: list[dict[str, Any]] = [dict(turn) for turn in asked.messages]
    content = CallContent(inputs=dict(asked.inputs), given=given)
    return Call(request_id, chosen, release, asked, key, record, content, time.perf_counter())
