"""/v1/embeddings against a server that keeps and breaks the wire."""

from collections.abc import Iterator

import pytest

from connectors.embeddings import EmbeddingsClient
from connectors.wire import ChatError, Target
from tests.support.embeddings_server import EmbeddingsServer, embeddings_server, vector_of

KEY = "sk-canary-7f3a9b2c4d5e6f708192"


@pytest.fixture
def server() -> Iterator[EmbeddingsServer]:
    with embeddings_server() as running:
        yield running


def target(server: EmbeddingsServer, model: str, *, local_allowed: bool = True) -> Target:
    return Target(
        "m", "openai", model, base_url=server.base_url, api_key=KEY, timeout=3,
        local_allowed=local_allowed,
    )  # fmt: skip


@pytest.mark.parametrize("model", ["ok", "backwards"])
async def test_vectors_come_in_the_order_of_the_texts(server: EmbeddingsServer, model: str) -> None:
    async with EmbeddingsClient() as client:
        found = await client.embed(target(server, model), ["a", "b", "c"])
    assert found == [vector_of(text) for text in "abc"]
    assert server.asked[0]["path"] == "/v1/embeddings"
    assert server.keys == [f"Bearer {KEY}"]


async def test_dimensions_are_asked_for(server: EmbeddingsServer) -> None:
    async with EmbeddingsClient() as client:
        found = await client.embed(target(server, "ok"), ["a"], dimensions=5)
    assert found == [vector_of("a", 5)]


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("short", "garbage"),
        ("ragged", "garbage"),
        ("words", "garbage"),
        ("zero", "garbage"),
        ("infinite", "garbage"),
        ("same-index", "garbage"),
        ("html", "garbage"),
        ("busy-once", "rate_limited"),
        ("redirect", "redirect"),
        ("echokey", "auth"),
    ],
)
async def test_what_is_no_answer_is_a_failure_without_the_key(
    server: EmbeddingsServer, model: str, kind: str
) -> None:
    async with EmbeddingsClient() as client:
        with pytest.raises(ChatError) as raised:
            await client.embed(target(server, model), ["a", "b"])
    assert raised.value.failure.kind == kind
    assert KEY[:12] not in raised.value.message


async def test_a_local_address_needs_the_allowlist(server: EmbeddingsServer) -> None:
    async with EmbeddingsClient() as client:
        with pytest.raises(ChatError) as raised:
            await client.embed(target(server, "ok", local_allowed=False), ["a"])
        assert raised.value.failure.kind == "refused_address"
        assert server.asked == []
        assert await client.embed(target(server, "ok"), ["a"])
