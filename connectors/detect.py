"""What can be connected here: a key in the environment, Ollama, vLLM. Looks only when asked."""

import asyncio
import os
from dataclasses import dataclass

from connectors.connections import Connections
from connectors.wire import ChatError, Target

_SERVERS = (("Ollama", "http://127.0.0.1:11434/v1"), ("vLLM", "http://127.0.0.1:8000/v1"))
_SECONDS = 0.8


@dataclass(frozen=True, slots=True)
class Found:
    """An endpoint to offer; `models` may be empty, `api_key_env` names a variable that is set."""

    title: str
    base_url: str
    models: tuple[str, ...] = ()
    api_key_env: str | None = None


async def detect_local(
    connections: Connections, servers: tuple[tuple[str, str], ...] = _SERVERS
) -> list[Found]:
    """What answers now; takes at most about a second and sends nothing outside."""
    found = [_key()] if os.environ.get("OPENAI_API_KEY") else []
    answers = await asyncio.gather(*(_ask(connections, *server) for server in servers))
    return found + [answer for answer in answers if answer is not None]


def _key() -> Found:
    url = os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
    return Found("OpenAI", url, api_key_env="OPENAI_API_KEY")


async def _ask(connections: Connections, title: str, url: str) -> Found | None:
    target = Target(title, "openai", "", base_url=url, local_allowed=True, timeout=_SECONDS)
    try:
        ids = await connections.model_ids(target)
    except ChatError:
        return None
    # Port 8000 is a popular one: without a list of models it is some other server.
    return Found(title, url, tuple(ids)) if ids else None
