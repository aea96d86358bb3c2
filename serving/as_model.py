"""An app asked like a model: as an arm of a run, and when a person tries it on its page.

What it is asked travels as parameters of the request: `inputs`, and for a trial `request_id`, by
which its trace is found.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import orjson
from sqlmodel import Session

from connectors.connections import Apps, Connections
from connectors.generate import Call as Trial
from connectors.models import ModelSettings
from connectors.wire import (
    ChatAnswer,
    ChatError,
    ChatRequest,
    Connector,
    OnDelta,
    Target,
    Usage,
    failure,
)
from core.clock import new_id
from core.database import Database
from core.errors import Invalid, PromptstoneError
from core.names import split_ref
from evalsets.runs.manifest import Arm, FrozenModel
from serving.answering import Answering, Whole
from serving.bodies import Asked, Turn, read_turns
from serving.calls import Call
from serving.live import Live
from serving.lookup import resolve
from serving.manifest import ReleaseManifest

TURNS = "messages"
"""The column of a case that holds the turns of a chat."""


def freeze_apps(session: Session, refs: Sequence[str]) -> tuple[Arm, ...]:
    """An arm for each APP[@REF], each release once; raises NotFound.

    The price is that of the release's first model: what a fallback costs is known afterwards, in
    the app's calls only.
    """
    arms: dict[str, Arm] = {}
    for text in refs:
        found = resolve(session, *split_ref(text))
        manifest = ReleaseManifest.model_validate(found.release.manifest)
        ref = f"{found.app.name}@{found.release.number}"
        arms[ref] = _arm(ref, manifest)
    return tuple(arms.values())


def _arm(ref: str, manifest: ReleaseManifest) -> Arm:
    first = manifest.models[0].model.settings
    settings = ModelSettings(
        kind="app",
        model=ref,
        input_price=first.input_price,
        output_price=first.output_price,
        concurrency=first.concurrency,
    )
    prompt = manifest.prompt.model_copy(update={"content": manifest.asked})
    model = FrozenModel(name=f"app:{ref}", settings=settings)
    return Arm(name=f"app:{ref}", prompt=prompt, model=model, app=ref)


def answer_apps(database: Database, connections: Connections) -> Apps:
    """Who answers for apps in this process's runs; their calls leave no traces of users."""
    live = Live(database)
    answering = Answering(database, connections, live)

    def connector(target: Target) -> Connector:
        live.refresh()
        return AppModel(answering, target)

    return connector


def trial(
    actor: str, ref: str, inputs: Mapping[str, Any], turns: Sequence[Turn], request_id: str
) -> Trial:
    """A call of `connectors.generate` that asks an app for the person `actor`."""
    params: dict[str, Any] = {"inputs": dict(inputs), "request_id": request_id, "user": actor}
    return Trial(actor, _target(ref), ChatRequest(turns, params=params))


def _target(ref: str) -> Target:
    return Target(name=f"app:{ref}", kind="app", model_id=ref)


class AppModel:
    """One app or release, asked by a run or a page."""

    def __init__(self, answering: Answering, target: Target) -> None:
        self._answering = answering
        self._target = target

    async def chat(self, request: ChatRequest, *, on_delta: OnDelta | None = None) -> ChatAnswer:
        """Ask once; raises ChatError for whatever the app answers with instead."""
        params = request.params
        request_id = cast(str, params.get("request_id")) or new_id()
        user = cast("str | None", params.get("user"))
        try:
            async with asyncio.timeout(self._target.timeout):
                asked = await self._asked(request, user or request_id, on_delta is not None)
                call = await self._answering.begin(
                    request_id, self._target.model_id, asked, None, user
                )
                whole = await self._answer(call, on_delta)
        except TimeoutError:
            text = f"The app took more than {self._target.timeout:g} s. Retry, or mend the app."
            raise ChatError(failure("timeout", text)) from None
        except PromptstoneError as error:
            raise _as_chat_error(error) from error
        return ChatAnswer(
            text=whole.text,
            tool_calls=whole.tool_calls,
            finish_reason=whole.finish_reason,
            usage=Usage(call.tokens_in, call.tokens_out),
            ttft_ms=call.record.ttft_ms,
            latency_ms=call.elapsed_ms(),
            model=self._target.model_id,
        )

    async def _asked(self, request: ChatRequest, sticky: str, stream: bool) -> Asked:
        """A case as the app's client would send it: further columns stay with the case."""
        live, ref = self._answering.live, self._target.model_id
        chosen = await live.find(ref, None, sticky)
        release = await live.release(chosen.app, chosen.number)
        given = cast(Mapping[str, Any], request.params.get("inputs") or {})
        inputs = {name: value for name, value in given.items() if name in release.names}
        turns = [cast(Turn, dict(message)) for message in request.messages]
        if not turns and TURNS not in release.names and release.manifest.kind != "completion":
            turns = read_turns(given.get(TURNS))
        return Asked(ref, turns, inputs, stream=stream)

    async def _answer(self, call: Call, on_delta: OnDelta | None) -> Whole:
        if on_delta is None:
            return await self._answering.whole(call, None)
        events = await self._answering.stream(call, None)
        try:
            async for piece in events:
                for text in _texts(piece):
                    on_delta(text)
        finally:
            await events.aclose()  # type: ignore[attr-defined]
        calls = tuple(call.content.tool_calls)
        return Whole(call.content.output, "stop", calls)


def _texts(events: bytes) -> Iterator[str]:
    """The texts of whole server-sent events."""
    for line in events.split(b"\n"):
        if line.startswith(b"data: "):
            for choice in orjson.loads(line[6:]).get("choices", ()):
                if text := choice["delta"].get("content"):
                    yield text


def _as_chat_error(error: PromptstoneError) -> ChatError:
    """The model's own failure where there is one, so that it is retried as any other."""
    if isinstance(error.__cause__, ChatError):
        return error.__cause__
    kind = "bad_request" if isinstance(error, Invalid) else "server"
    return ChatError(failure(kind, error.message))
