"""Calls of pages with mocked tools: they go on by themselves, and every round is told and paid."""

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from connectors.connections import Connections
from connectors.generate import Generations, prepare
from connectors.models import Generation, ModelSettings
from connectors.service import add_model
from core.database import Database
from prompts.going_on import going_on
from prompts.mocks import ROUNDS, ToolMock
from tests.support.witness import Witness, witness

ME = "user:admin"
MOCK = ToolMock(tool="look", result={"n": 7})


@pytest.fixture(scope="module")
def server() -> Iterator[Witness]:
    with witness() as running:
        yield running


@pytest.fixture
async def generations(sqlite_db: Database, data_dir: Path) -> AsyncIterator[Generations]:
    async with Connections(data_dir) as connections:
        made = Generations(sqlite_db, connections)
        yield made
        await made.close(0)


async def asked(
    db: Database, data_dir: Path, to: Generations, url: str, model: str, *mocks: ToolMock
) -> tuple[Generation, str]:
    """The row of a call that has ended, and what a page that followed it shows."""
    with db.session_scope(ME) as session:
        settings = ModelSettings(
            model=model, base_url=url, input_price=Decimal(1), output_price=Decimal(2), timeout=5
        )
        add_model(session, model, settings, allow_local=True)
        said = [{"role": "user", "content": "a b"}]
        key = data_dir / "secret.key"
        call = prepare(session, ME, model, said, key, goes_on=going_on(mocks))
    one, text = to.start(call), ""
    async for event in to.follow(ME, [one]):
        text = event.text if event.kind == "text" else text + event.text
    with db.read_scope() as session:
        row = session.get(Generation, one)
    assert row is not None
    return row, text


async def test_an_answer_goes_on_with_the_mocked_result(
    sqlite_db: Database, data_dir: Path, generations: Generations, server: Witness
) -> None:
    row, text = await asked(
        sqlite_db, data_dir, generations, server.base_url, "tooluse", MOCK
    )  # fmt: skip
    assert (row.state, row.output, row.tool_calls) == ("succeeded", 'told: {"n":7}', None)
    assert text == row.output
    assert row.rounds is not None
    (first,) = row.rounds
    assert first["tool_calls"][0]["function"]["name"] == "look"
    assert first["results"] == ['{"n":7}']
    assert row.input_tokens is not None
    assert row.input_tokens > first["input_tokens"]
    assert row.cost is not None
    assert row.cost > Decimal(first["cost"])


async def test_it_ends_at_the_calls_without_a_mock_and_after_the_last_round(
    sqlite_db: Database, data_dir: Path, generations: Generations, server: Witness
) -> None:
    plain, _ = await asked(sqlite_db, data_dir, generations, server.base_url, "tool")
    assert plain.rounds is None
    assert plain.tool_calls is not None
    assert plain.tool_calls[0]["function"]["arguments"] == '{"q": "x"}'
    long, _ = await asked(sqlite_db, data_dir, generations, server.base_url, "tool", MOCK)
    assert long.rounds is not None
    assert len(long.rounds) == ROUNDS
    assert long.tool_calls is not None
