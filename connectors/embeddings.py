"""OpenAI's /v1/embeddings with the checks of chat calls: addresses, redirects, sizes, keys."""

import math
from collections.abc import Sequence
from typing import cast

import orjson

from connectors.answers import Garbage, parse_json
from connectors.client import CheckedClient, told_as_chat_errors
from connectors.reading import read_refusal, read_whole
from connectors.wire import ChatError, Target
from core.canonical import Json

Vector = list[float]


class EmbeddingsClient(CheckedClient):
    """/v1/embeddings of any server."""

    async def embed(
        self, target: Target, texts: Sequence[str], *, dimensions: int | None = None
    ) -> list[Vector]:
        """One vector a text, in their order, all of one length. Asks once; raises ChatError."""
        with told_as_chat_errors(target):
            return await self._ask(target, texts, dimensions)

    async def _ask(
        self, target: Target, texts: Sequence[str], dimensions: int | None
    ) -> list[Vector]:
        endpoint = self.checked(target, "embeddings")
        body: dict[str, Json] = {
            "model": target.model_id,
            "input": list(texts),
            "encoding_format": "float",
        }
        if dimensions is not None:
            body["dimensions"] = dimensions
        async with self.session.post(
            endpoint.url,
            data=orjson.dumps(body),
            headers=endpoint.headers,
            timeout=endpoint.whole,
            allow_redirects=False,
        ) as response:
            if response.status != 200:
                raise ChatError(await read_refusal(target, response))
            return read_vectors(await read_whole(response), len(texts))


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
