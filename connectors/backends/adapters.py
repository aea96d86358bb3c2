"""Keeps the adapters of a running vLLM as they are asked for, and says which it refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from connectors.backends.asking import Address, Reply, load_adapter, unload_adapter
from connectors.backends.formats import check_adapter
from connectors.client import CheckedClient
from core.errors import Invalid


class Holding(NamedTuple):
    """Adapters by served name: the folders of those that are loaded, and why others are not."""

    loaded: Mapping[str, str] = {}
    refused: Mapping[str, str] = {}


async def bring(
    client: CheckedClient, at: Address, asked: Mapping[str, str], now: Holding, root: Path
) -> Holding:
    """Load what is asked for and unload what is not; only folders below `root` are loaded.

    What was refused is tried again when it is asked for with another folder, or after a restart.
    """
    loaded, refused = dict(now.loaded), {k: v for k, v in now.refused.items() if k in asked}
    for name in [name for name, path in loaded.items() if asked.get(name) != path]:
        if _went(await unload_adapter(client, at, name), 404):
            del loaded[name]
    for name in [name for name in asked if name not in loaded and name not in refused]:
        try:
            path = check_adapter(Path(asked[name]), root)
        except Invalid as error:
            refused[name] = error.message
            continue
        reply = await load_adapter(client, at, name, path)
        if _went(reply, 200) or "already" in reply.said:
            loaded[name] = asked[name]
        elif reply.status:
            refused[name] = f"vLLM did not load the adapter: {reply.said}. Check its rank and base."
    return Holding(loaded, refused)


def _went(reply: Reply, also: int) -> bool:
    return reply.status in (200, also)
