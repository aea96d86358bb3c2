"""The outermost layer: nothing passes without a session but a short public list.

A pure ASGI application around everything, because a dependency of the framework would leave the
mounted workspace, its websocket and the generated documents open.
"""

import asyncio
from collections.abc import Awaitable
from functools import lru_cache

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.server.errors import error_answer
from app.server.hosts import HostRule, is_host_allowed, is_same_origin
from app.server.metrics import count_answer
from app.server.sessions import Sessions
from core.clock import new_id
from serving.live import Live

PUBLIC = frozenset({"/healthz", "/readyz", "/sign-in", "/_stcore/health"})
_KEYED = ("/v1/", "/apps/")
_EITHER = frozenset({"/metrics", "/openapi.json", "/docs"})
_API = ("/v1/", "/apps/", "/api/", "/ui/", "/_stcore/", "/metrics", "/openapi.json")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_RECHECK_SECONDS = 20
"""How long an open websocket outlives its revoked session at most."""


class Guard:
    """Checks host, origin and session or key of every request, and names every answer.

    Apps are called with a key and with nothing else; pages are opened with a session; figures and
    the description of the interface with either.
    """

    def __init__(
        self, app: ASGIApp, sessions: Sessions, rule: HostRule, cookie: str, live: Live
    ) -> None:
        self.app = app
        self.sessions = sessions
        self.live = live
        self.rule = rule
        self.cookie = cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        scope.setdefault("state", {})["request_id"] = request_id = new_id()
        headers = Headers(scope=scope)
        known = is_host_allowed(self.rule, headers.get("host"))
        policy = _policy(headers["host"] if known else "localhost")
        answer = _finishing(send, request_id, policy)
        cookie = _cookie(headers, self.cookie)
        refusal = await self._refusal(scope, headers, cookie)
        if refusal is not None:
            await _refuse(refusal, scope, receive, answer)
        elif scope["type"] == "websocket" and cookie is not None:
            await self.app(scope, self._watched(receive, cookie), answer)
        else:
            await self.app(scope, receive, answer)

    async def _refusal(self, scope: Scope, headers: Headers, cookie: str | None) -> Response | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not is_host_allowed(self.rule, hosts[0]):
            return error_answer(
                400,
                "This host name is not known here. Open the address that the server printed, or "
                "add the name to PROMPTSTONE_ALLOWED_HOSTS.",
            )
        writes = scope["type"] == "websocket" or scope["method"] not in _SAFE
        if writes and _is_foreign(headers):
            return error_answer(
                403, "This request comes from another site. Open the workspace itself.",
                "permission_error",
            )  # fmt: skip
        path = scope["path"]
        if scope["type"] == "http":
            if path in PUBLIC:
                return None
            if path.startswith(_KEYED):
                return await self._key_refusal(scope, headers)
            if path in _EITHER and "authorization" in headers:
                return await self._key_refusal(scope, headers, metrics=path == "/metrics")
        user = await self.sessions.user(cookie) if cookie else None
        if user is not None:
            scope["state"]["user"] = user
            return None
        return _unauthorized(scope, headers)

    async def _key_refusal(
        self, scope: Scope, headers: Headers, *, metrics: bool = False
    ) -> Response | None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        key = await self.live.find_key(token.strip()) if scheme.lower() == "bearer" else None
        if key is None:
            return _bad_key()
        if metrics and key.scope != "metrics":
            return error_answer(
                403,
                "This key calls apps and reads no figures. Make one with `promptstone key create "
                "NAME --scope metrics`.",
                "permission_error",
            )
        scope["state"]["key"] = key
        return None

    def _watched(self, receive: Receive, cookie: str) -> Receive:
        """`receive` of a websocket that ends when the session behind it is no longer good."""
        pending: asyncio.Task[Message] | None = None

        async def watched() -> Message:
            nonlocal pending
            pending = pending or asyncio.ensure_future(receive())
            while not (await asyncio.wait({pending}, timeout=_RECHECK_SECONDS))[0]:
                if await self.sessions.user(cookie) is None:
                    pending.cancel()
                    return {"type": "websocket.disconnect", "code": 1008}
            message, pending = pending.result(), None
            return message

        return watched


def _cookie(headers: Headers, name: str) -> str | None:
    for line in headers.getlist("cookie"):
        for part in line.split(";"):
            key, _, value = part.strip().partition("=")
            if key == name:
                return value
    return None


def _is_foreign(headers: Headers) -> bool:
    if "cookie" not in headers:
        return False
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site", "none") not in ("same-origin", "none")
    return not is_same_origin(origin, headers.get("host"))


def _bad_key() -> Response:
    return error_answer(
        401,
        "There is no key, or one that is not good (any more). Send `Authorization: Bearer KEY`; "
        "`promptstone key create` makes one.",
        "authentication_error",
        code="invalid_api_key",
    )


def _unauthorized(scope: Scope, headers: Headers) -> Response:
    page = scope["type"] == "http" and "text/html" in headers.get("accept", "")
    if page and scope["method"] in _SAFE and not scope["path"].startswith(_API):
        return RedirectResponse("/sign-in", 303)
    return error_answer(
        401,
        "Sign in first: open the link that the server printed, or make one with "
        "`promptstone user link admin`.",
        "authentication_error",
        code="invalid_api_key",
    )


async def _refuse(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await response(scope, receive, send)
        return
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    await send(
        {
            "type": "websocket.http.response.start",
            "status": response.status_code,
            "headers": response.raw_headers,
        }
    )
    await send({"type": "websocket.http.response.body", "body": response.body})


def _finishing(send: Send, request_id: str, policy: str) -> Send:
    def finishing(message: Message) -> Awaitable[None]:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            headers = MutableHeaders(scope=message)
            headers.setdefault("x-request-id", request_id)
            headers["x-content-type-options"] = "nosniff"
            headers["referrer-policy"] = "no-referrer"
            headers.setdefault("content-security-policy", policy)
            count_answer(message["status"])
        return send(message)

    return finishing


@lru_cache(64)
def _policy(host: str) -> str:
    """The browser loads nothing from elsewhere, whatever stands in a model's output."""
    return (
        "default-src 'self' blob: data:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
        "style-src 'self' 'unsafe-inline'; "
        f"connect-src 'self' ws://{host} wss://{host} blob: data:; worker-src 'self' blob:; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
    )
