"""What a watcher asks a server: whether it answers, its figures, its adapters. Over loopback."""

from pathlib import Path
from typing import NamedTuple

import aiohttp
import orjson

from connectors.client import CheckedClient
from connectors.wire import Target
from core.errors import PromptstoneError

SECONDS = 5.0
LOAD_SECONDS = 120.0
_MOST = 8 << 20
_UNSEEN = (aiohttp.ClientError, OSError, TimeoutError, ValueError, PromptstoneError)


class Address(NamedTuple):
    """Where a server of ours answers; `root` ends before `/v1`."""

    root: str
    key: str | None
    local_allowed: bool = True

    def target(self, seconds: float) -> Target:
        """As the checked client wants it."""
        return Target(
            "backend", "openai", "", base_url=self.root, api_key=self.key, timeout=seconds,
            local_allowed=self.local_allowed,
        )  # fmt: skip


class Reply(NamedTuple):
    """A status, 0 when nobody answered, and the body."""

    status: int
    body: bytes

    @property
    def said(self) -> str:
        """The server's own words of what is wrong, shortened."""
        try:
            error = orjson.loads(self.body)
            error = error.get("error", error)
            return str(error.get("message", error))[:300] if isinstance(error, dict) else str(error)
        except (ValueError, AttributeError):
            return self.body[:300].decode("utf-8", "replace")


def local(port: int, key: str) -> Address:
    """A server that we started."""
    return Address(f"http://127.0.0.1:{port}", key)


async def ask(
    client: CheckedClient,
    at: Address,
    path: str,
    body: object | None = None,
    *,
    seconds: float = SECONDS,
) -> Reply:
    """One call, a POST where there is a body; never raises for a server's trouble."""
    try:
        endpoint = client.checked(at.target(seconds), path)
        async with client.session.request(
            "GET" if body is None else "POST", endpoint.url, headers=endpoint.headers,
            data=None if body is None else orjson.dumps(body), timeout=endpoint.whole,
            allow_redirects=False,
        ) as response:  # fmt: skip
            return Reply(response.status, await response.content.read(_MOST))
    except (TimeoutError, *_UNSEEN):
        return Reply(0, b"")


async def answers(client: CheckedClient, at: Address, model: str) -> bool:
    """Whether the server knows our key and says a word with the model."""
    listed = await ask(client, at, "v1/models")
    if listed.status != 200:
        return False
    body = {"model": model, "prompt": "a", "max_tokens": 1}
    return (await ask(client, at, "v1/completions", body, seconds=60)).status in (
        200,
        400,
        404,
        501,
    )


async def metrics(client: CheckedClient, at: Address) -> str | None:
    """The server's figures as text; None where it has none."""
    reply = await ask(client, at, "metrics")
    return reply.body.decode("utf-8", "replace") if reply.status == 200 else None


async def load_adapter(client: CheckedClient, at: Address, name: str, path: Path) -> Reply:
    """Put a LoRA adapter beside the model of a running vLLM; `path` must have been checked."""
    body = {"lora_name": name, "lora_path": str(path)}
    return await ask(client, at, "v1/load_lora_adapter", body, seconds=LOAD_SECONDS)


async def unload_adapter(client: CheckedClient, at: Address, name: str) -> Reply:
    """Take a LoRA adapter out of a running vLLM."""
    return await ask(client, at, "v1/unload_lora_adapter", {"lora_name": name})
