"""The door of a vLLM server of ours: an ASGI middleware that vLLM's own Python imports.

vLLM's key guards only what lies under /v1, and it serves some fifty paths. Here every path but
/health needs the key, and only those that we use exist.
"""

import hmac
import os
from typing import Any

_ALLOWED = {
    "/v1/chat/completions": "POST",
    "/v1/completions": "POST",
    "/v1/embeddings": "POST",
    "/v1/models": "GET",
    "/v1/load_lora_adapter": "POST",
    "/v1/unload_lora_adapter": "POST",
    "/metrics": "GET",
    "/health": "GET",
}
_OPEN = "/health"


class Door:
    """Answers 401 without the key and 404 for what is not ours to use."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._key = b"Bearer " + os.environ["PROMPTSTONE_BACKEND_KEY"].encode()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        status = self._status(scope)
        if status == 200:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            body = b'{"error":{"message":"not here","type":"invalid_request_error"}}'
            await send({"type": "http.response.body", "body": body})

    def _status(self, scope: dict[str, Any]) -> int:
        path = scope["path"]
        if path != _OPEN:
            given = dict(scope.get("headers", ())).get(b"authorization", b"")
            if not hmac.compare_digest(given, self._key):
                return 401
        if scope["type"] != "http" or _ALLOWED.get(path) != scope["method"]:
            return 404
        return 200
