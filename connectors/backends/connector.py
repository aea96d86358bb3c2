"""Asks a backend: finds where it answers, has it started if it sleeps, and waits while it loads."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

from connectors.backends import notes
from connectors.backends.notes import Note
from connectors.chat import ChatClient
from connectors.failures import describe
from connectors.parameters import check_params, is_stripped
from connectors.relay import Relay
from connectors.upstream import StreamAs, Upstream
from connectors.wire import (
    ChatAnswer,
    ChatError,
    ChatFailure,
    ChatRequest,
    FailureKind,
    Message,
    OnDelta,
    Target,
)
from core.canonical import Json
from core.locks import holder_note

LOOK_SECONDS = 0.1
FAILED_SECONDS = 15.0
"""One that ended is started anew before long: only then its failure is the call's."""
LACKING_SECONDS = 60.0
"""An adapter that was just asked for is loaded by then."""
MOST_TOKENS = 131_072
_FETCHED = ("image_url", "video_url", "audio_url")
_NO_WATCHER = "no worker watches it. Start `promptstone up` on this data folder"


class BackendConnector:
    """A model, or an adapter, of a server that the worker of this data folder keeps."""

    def __init__(self, client: ChatClient, target: Target, data_dir: Path) -> None:
        self._client = client
        self._target = target
        self._data_dir = data_dir
        self._found: tuple[Target, int] | None = None
        self._finding = asyncio.Lock()

    async def chat(self, request: ChatRequest, *, on_delta: OnDelta | None = None) -> ChatAnswer:
        """Ask it, starting it first if need be. Raises ChatError."""
        at, most = self._found or await self._find()
        sent = bounded(self._target, request, most)
        with self._forgetting():
            return await self._client.chat(at, sent, on_delta=on_delta)

    async def stream(self, relay: Relay, request: ChatRequest, named: StreamAs) -> Upstream:
        """`Relay.open` of it, starting it first if need be. Raises ChatError."""
        at, most = self._found or await self._find()
        sent = bounded(self._target, request, most)
        with self._forgetting():
            return await relay.open(at, sent, named)

    @contextmanager
    def _forgetting(self) -> Iterator[None]:
        """It may have been started anew, at another port and with another key."""
        try:
            yield
        except ChatError as error:
            moved = error.failure.kind in ("auth", "not_found")
            if moved or error.failure.kind == "connection":
                self._found = None
            if moved:
                again = replace(error.failure, kind="connection", retryable=True)
                raise ChatError(replace(again, fatal_for_model=False)) from None
            raise

    async def _find(self) -> tuple[Target, int]:
        async with self._finding:
            if self._found is None:
                note = await self._ready()
                at = replace(
                    self._target, kind="openai", base_url=f"http://127.0.0.1:{note.port}/v1",
                    api_key=note.key, local_allowed=True,
                )  # fmt: skip
                self._found = at, note.context or MOST_TOKENS
            return self._found

    async def _ready(self) -> Note:
        """The note of the server once it answers. Raises ChatError when it will not."""
        name, data = self._target.provider, self._data_dir
        now = began = time.monotonic()
        asked_at, fine_at, lacking_at = 0.0, began, began
        while now - began < self._target.timeout:
            note = await asyncio.to_thread(notes.read_note, data, name)
            if note is not None and note.state == "ready" and self._is_held(note):
                return note
            if note is None or note.state != "ready":
                lacking_at = now
            elif now - lacking_at > LACKING_SECONDS:
                why = "its server holds no such adapter. Publish it again"
                raise self._failure("not_found", why, fatal=True)
            if note is None or note.state != "failed":
                fine_at = now
            elif note.final or now - fine_at > FAILED_SECONDS:
                raise self._failure("connection", note.reason or "it failed", fatal=True)
            if now - asked_at > 1.0:
                asked_at = now
                await asyncio.to_thread(self._ask)
            await asyncio.sleep(LOOK_SECONDS)
            now = time.monotonic()
        raise self._failure("timeout", "it is not ready yet. Wait, or raise the model's time-out")

    def _is_held(self, note: Note) -> bool:
        """Whether the server holds what is asked for. Raises ChatError when it refused it."""
        wanted = self._target.model_id
        if self._target.name == self._target.provider and wanted != note.model:
            why = "its files are others than when it was added. Add the backend again"
            raise self._failure("not_found", why, fatal=True)
        if wanted in note.refused:
            raise self._failure("not_found", note.refused[wanted], fatal=True)
        return wanted in (note.model, *note.adapters)

    def _ask(self) -> None:
        if holder_note(notes.watch_lock(self._data_dir)) is None:
            raise self._failure("connection", _NO_WATCHER, fatal=False)
        notes.ask_for(self._data_dir, self._target.provider)

    def _failure(self, kind: FailureKind, why: str, *, fatal: bool = False) -> ChatError:
        text = why.rstrip(".")
        message = f"The model {self._target.name} is not served: {text[:1].lower()}{text[1:]}."
        retryable = not fatal
        return ChatError(ChatFailure(kind, message, retryable=retryable, fatal_for_model=fatal))


def bounded(target: Target, request: ChatRequest, most: int) -> ChatRequest:
    """The request as a server of ours may get it. Raises ChatError for what it may not.

    Templates and embeddings in place of the prompt are left out, `n` is never sent, and an answer
    is at most `most` tokens long.
    """
    check_params(target.kind, request.params)
    params = {name: value for name, value in request.params.items() if not is_stripped(name)}
    for name in ("max_tokens", "max_completion_tokens"):
        value = params.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > most:
            params[name] = most
    if any(map(_is_fetched, request.messages)):
        detail = "it names an address to fetch, and servers here fetch nothing"
        raise ChatError(describe("bad_request", target, detail=detail))
    return replace(request, params=params)


def _is_fetched(message: Message) -> bool:
    """Whether a part of the message would have the server fetch something."""
    content = message.get("content")
    if not isinstance(content, list | tuple):
        return False
    parts = (cast(Mapping[str, Json], part) for part in content if isinstance(part, Mapping))
    return any(_is_far(part.get(kind)) for part in parts for kind in _FETCHED)


def _is_far(inner: Json) -> bool:
    url = cast(Mapping[str, Json], inner).get("url") if isinstance(inner, Mapping) else inner
    return isinstance(url, str) and not url.startswith("data:")
