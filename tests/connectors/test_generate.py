"""Calls from pages: live text, rows before and after, stop, death of the server."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from connectors.connections import Connections
from connectors.generate import Event, Generations, mark_interrupted, prepare
from connectors.models import Generation, ModelSettings
from connectors.service import add_model, ensure_builtin, estimate, get_model
from core.database import Database
from tests.support.witness import Witness, witness

ME = "user:admin"


@pytest.fixture(scope="module")
def server() -> Iterator[Witness]:
    with witness() as running:
        yield running


@pytest.fixture
async def generations(db: Database, data_dir: Path) -> AsyncIterator[Generations]:
    async with Connections(data_dir) as connections:
        made = Generations(db, connections)
        yield made
        await made.close(0)


def begin(
    db: Database, data_dir: Path, to: Generations, url: str, model: str, text: str = "a b"
) -> str:
    with db.session_scope(ME) as session:
        settings = ModelSettings(
            model=model, base_url=url, input_price=Decimal(1), output_price=Decimal(2), timeout=5
        )
        name = model.replace("+", "-")
        add_model(session, name, settings, allow_local=True)
        messages = [{"role": "user", "content": text}]
        call = prepare(session, ME, name, messages, data_dir / "secret.key", prompt="p", version=2)
    return to.start(call)


def row(db: Database, generation_id: str) -> Generation:
    with db.read_scope() as session:
        found = session.get(Generation, generation_id)
    assert found is not None
    return found


async def everything(to: Generations, *ids: str, actor: str = ME) -> list[Event]:
    return [event async for event in to.follow(actor, ids)]


def shown(events: list[Event], generation_id: str) -> tuple[str, str]:
    """What a page that follows these events shows in the end, and the state it was told."""
    text, state = "", "sent"
    for event in events:
        if event.id == generation_id:
            text = event.text if event.kind == "text" else text + event.text
            state = event.state if event.kind == "end" else state
    return text, state


async def test_streams_and_keeps_the_answer(
    db: Database, data_dir: Path, generations: Generations, server: Witness
) -> None:
    one = begin(db, data_dir, generations, server.base_url, "think-50", "a b c")
    before = row(db, one)
    assert (before.state, before.prompt, before.version) == ("sent", "p", 2)
    assert before.request["messages"][0]["content"] == "a b c"
    two = begin(db, data_dir, generations, server.base_url, "ok", "x")
    events = await everything(generations, one, two)
    assert shown(events, one) == ("echo: a b c", "succeeded")
    assert shown(events, two) == ("echo: x", "succeeded")
    after = row(db, one)
    assert (after.state, after.output, after.output_tokens) == ("succeeded", "echo: a b c", 4)
    assert after.cost == Decimal("0.000011")
    assert after.ttft_ms is not None
    assert generations.text(one) is None
    assert shown(await everything(generations, one), one) == ("echo: a b c", "succeeded"), (
        "a reload"
    )


async def test_a_second_reader_in_the_middle_misses_nothing(
    db: Database, data_dir: Path, generations: Generations, server: Witness
) -> None:
    one = begin(db, data_dir, generations, server.base_url, "stall")
    for _ in range(100):
        if generations.text(one):
            break
        await asyncio.sleep(0.01)
    late = asyncio.create_task(everything(generations, one))
    await asyncio.sleep(0.05)
    generations.stop(one)
    assert shown(await late, one) == ("then nothing", "stopped")
    assert row(db, one).output == "then nothing"


async def test_stop_from_another_thread_ends_the_call_at_the_server(
    db: Database, data_dir: Path, generations: Generations, server: Witness
) -> None:
    ids: list[str] = []

    def page() -> None:
        ids.append(begin(db, data_dir, generations, server.base_url, "hang+page"))

    thread = threading.Thread(target=page)
    thread.start()
    await asyncio.to_thread(thread.join)
    while server.counts("hang+page").in_flight == 0:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    threading.Thread(target=generations.stop, args=ids).start()
    assert (await everything(generations, *ids))[-1].state == "stopped"
    await asyncio.sleep(0.1)
    assert server.counts("hang+page").in_flight == 0
    assert (row(db, ids[0]).state, row(db, ids[0]).error) == ("stopped", None)


async def test_a_failure_is_kept_in_words(
    db: Database, data_dir: Path, generations: Generations, server: Witness
) -> None:
    one = begin(db, data_dir, generations, server.base_url, "errorevent")
    events = await everything(generations, one)
    assert shown(events, one) == ("so far so", "failed")
    kept = row(db, one)
    assert kept.output == "so far so"
    assert "the engine died" in (kept.error or "")


async def test_others_see_nothing(
    db: Database, data_dir: Path, generations: Generations, server: Witness
) -> None:
    """Control: the owner sees it, running and ended."""
    one = begin(db, data_dir, generations, server.base_url, "think-50", "secret")
    assert await everything(generations, one, actor="user:eve") == [
        Event("end", one, state="unknown")
    ]
    assert "secret" in shown(await everything(generations, one), one)[0]
    assert await everything(generations, one, actor="user:eve") == [
        Event("end", one, state="unknown")
    ]


async def test_a_shutdown_waits_then_names_what_was_in_flight(
    db: Database, data_dir: Path, server: Witness
) -> None:
    async with Connections(data_dir) as connections:
        made = Generations(db, connections)
        quick = begin(db, data_dir, made, server.base_url, "slow-200")
        endless = begin(db, data_dir, made, server.base_url, "hang+shutdown")
        await asyncio.sleep(0.05)
        await made.close(0.6)
    assert row(db, quick).state == "succeeded"
    assert row(db, endless).state == "interrupted"
    assert "may have been paid" in (row(db, endless).error or "")


def test_after_a_crash_what_was_sent_is_named(db: Database) -> None:
    with db.session_scope(ME) as session:
        for state in ("sent", "succeeded"):
            session.add(Generation(id=state, actor=ME, model="m", state=state, request={}))
    with db.session_scope("system") as session:
        assert mark_interrupted(session) == 1
    assert row(db, "sent").state == "interrupted"
    assert row(db, "succeeded").state == "succeeded"


def test_estimate_before_the_call(db: Database) -> None:
    with db.session_scope(ME) as session:
        ensure_builtin(session)
        add_model(session, "gpt", ModelSettings(model="gpt-4o-mini"))
        messages = [{"role": "user", "content": "hello world"}]
        found = estimate(get_model(session, "gpt"), messages, {"max_tokens": 100})
        assert found == (9, 100, Decimal("0.00006135"))
        assert estimate(get_model(session, "demo"), messages, {}).output_tokens == 256
        add_model(session, "own", ModelSettings(model="own", base_url="https://x.test/v1"))
        assert estimate(get_model(session, "own"), messages, {}).cost is None
