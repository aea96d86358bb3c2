"""Calls of chat completions past the framework, whose layers cost as much as all else we do.

The framework's route stays for the description of the interface; both lead to the same answer.
"""

from fastapi import FastAPI, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.server.errors import answer_of, unforeseen
from core.errors import PromptstoneError
from serving.http.answers import CallAnswer
from serving.http.routes import CHAT_PATH, chat_completions


class Direct:
    """Stands between the guard and `api`."""

    def __init__(self, api: FastAPI) -> None:
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != CHAT_PATH or scope["method"] != "POST":
            await self._api(scope, receive, send)
            return
        scope["app"] = self._api
        answer: Response
        try:
            answer = await chat_completions(Request(scope))
        except PromptstoneError as error:
            answer = answer_of(error)
        try:
            await answer(scope, receive, send)
        except Exception:
            if isinstance(answer, CallAnswer) and not answer.started:
                await unforeseen()(scope, receive, send)
            # The server logs it.
            raise
