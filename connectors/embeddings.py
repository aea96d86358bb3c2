"""OpenAI's /v1/embeddings with the checks of chat calls: addresses, redirects, sizes, keys."""

import asyncio
import math
from collections.abc import Sequence
from typing import cast

import aiohttp
import orjson
from yarl import URL

from connectors.address import parse_address, refusal
from connectors.answers import Garbage, parse_json
from connectors.chat import CONNECT_TIMEOUT
from connectors.reading import failure_of, read_refusal, read_whole
from connectors.resolver import CheckedResolver, RefusedHost
from connectors.wire import ChatError, Target
from core.canonical import Json

Vector = list[float]


class EmbeddingsClient:
    """Calls of one event loop; `async with` opens and closes its connections."""

    def __init__(self, resolver: CheckedResolver | None = None) -> None:
        self._resolver = resolver or CheckedResolver()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "EmbeddingsClient":
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, resolver=self._resolver, use_dns_cache=False),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def embed(
        self, target: Target, texts: Sequence[str], *, dimensions: int | None = None
    ) -> list[Vector]:
        """One vector a text, in their order, all of one length. Asks once; raises ChatError."""
        try:
            return await self._ask(target, texts, dimensions)
        except (ChatError, asyncio.CancelledError):
            raise
        except Exception as error:
            raise ChatError(failure_of(target, error)) from None

    async def _ask(
        self, target: Target, texts: Sequence[str], dimensions: int | None
    ) -> list[Vector]:
        assert self._session is not None, "EmbeddingsClient is used outside of `async with`"
        body: dict[str, Json] = {
            "model": target.model_id,
            "input": list(texts),
            "encoding_format": "float",
        }
        if dimensions is not None:
            body["dimensions"] = dimensions
        async with self._session.post(
            self._checked(target),
            data=orjson.dumps(body),
            headers=_headers(target),
            timeout=aiohttp.ClientTimeout(total=target.timeout, sock_connect=CONNECT_TIMEOUT),
            allow_redirects=False,
        ) as response:
            if response.status != 200:
                raise ChatError(await read_refusal(target, response))
            return read_vectors(await read_whole(response), len(texts))

    def _checked(self, target: Target) -> URL:
        """The URL to ask; raises RefusedAddress or RefusedHost."""
        address = parse_address(target.base_url)
        place = (address.host, address.port)
        if address.ip is not None:
            why = refusal(*place, address.ip, local_allowed=target.local_allowed)
            if why is not None:
                raise RefusedHost(why)
        if target.local_allowed:
            self._resolver.allowed.add(place)
        else:
            self._resolver.allowed.discard(place)
        return URL(f"{address.url}/embeddings", encoded=True)


def _headers(target: Target) -> dict[str, str]:
    headers = {
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "promptstone",
    }
    if target.api_key:
        headers["Authorization"] = f"Bearer {target.api_key}"
    return headers


def read_vectors(raw: bytes | bytearray, count: int) -> list[Vector]:
    """The vectors of an answer by their `index`; raises as `parse_json` does."""
    data = parse_json(raw).get("data")
    if not isinstance(data, list) or len(cast(list[object], data)) != count:
        raise Garbage(f"JSON without {count} vectors in `data`")
    found: dict[int, Vector] = {}
    for place, item in enumerate(cast(list[object], data)):
        row = cast(dict[str, object], item) if isinstance(item, dict) else {}
        index = row.get("index", place)
        found[index if type(index) is int else place] = _vector(row.get("embedding"))
    if sorted(found) != list(range(count)):
        raise Garbage("the vectors' `index` values are not 0, 1, 2, …")
    if len({len(vector) for vector in found.values()}) > 1:
        raise Garbage("vectors of different lengths")
    return [found[index] for index in range(count)]


def _vector(value: object) -> Vector:
    numbers = cast(list[object], value) if isinstance(value, list) else []
    # OpenAI's wire has no NaN, but JSON readers take 1e999 for infinity.
    good = [float(n) for n in numbers if isinstance(n, float | int) and math.isfinite(n)]
    if not good or len(good) != len(numbers) or not any(good):
        raise Garbage("`embedding` is no list of numbers, or all of them are zero")
    return good
