"""The judged sample: drawn by id, within its budget, nonsense unscored."""

from datetime import timedelta

from connectors.connections import Connections
from connectors.models import ModelSettings
from connectors.service import add_model
from core.clock import new_id, utcnow
from core.database import Database
from serving import judging, service
from serving.lookup import need_app
from serving.models import Trace, TraceContent
from serving.settings import JudgedSample, Operations
from tests.support.apps import ACTOR, make_app, push, release
from tests.support.witness import witness


def _calls(db: Database, count: int) -> list[str]:
    with db.session_scope(ACTOR) as session:
        app = need_app(session, "faq")
        made = [new_id() for _ in range(count)]
        for one in made:
            session.add(
                Trace(
                    id=one, app_id=app.id, app="faq", release=1, at=utcnow(), status=200,
                    state="succeeded", latency_ms=1,
                )
            )  # fmt: skip
            session.add(
                TraceContent(
                    id=one, inputs={"topic": one}, given=[], messages=[], output="an answer",
                    tool_calls=[], sources=[], steps=[],
                )
            )  # fmt: skip
    return made


def _sample(db: Database, **fields: object) -> None:
    sample = JudgedSample.model_validate({"model": "judge", "share": 1.0, **fields})
    with db.session_scope(ACTOR) as session:
        service.save_operations(session, "faq", Operations(judged=sample))


def _model(db: Database, base_url: str, model: str, **prices: int) -> None:
    settings = ModelSettings.model_validate({"base_url": base_url, "model": model, **prices})
    with db.session_scope(ACTOR) as session:
        add_model(session, "judge", settings, allow_local=True)


async def _round(db: Database) -> int:
    with db.read_scope() as session:
        work = judging.work_of(session, db, need_app(session, "faq"), utcnow())
    if work is None:
        return 0
    async with Connections(db.settings.data) as connections:
        judged = await judging.ask(connections, work)
    with db.session_scope(judging.ACTOR) as session:
        judging.keep(session, work, judged)
    return len(judged)


def test_a_share_of_the_ids_is_drawn():
    ids = [new_id() for _ in range(4000)]
    drawn = sum(judging.in_sample(one, 0.1) for one in ids)
    assert 300 < drawn < 500  # 400 ± 5 standard deviations
    assert not any(judging.in_sample(one, 1e-9) for one in ids)
    assert all(judging.in_sample(one, 1.0) for one in ids)


async def test_calls_are_judged_until_the_budget_is_used_up(sqlite_db: Database):
    push(sqlite_db, "About {{ topic }}.")
    make_app(sqlite_db)
    release(sqlite_db)
    ids = _calls(sqlite_db, 6)
    with witness() as server:
        _model(sqlite_db, server.base_url, "j", input_price=1000, output_price=1000)
        server.reply("j", '{"reason": "good enough", "verdict": "yes"}')
        assert await _round(sqlite_db) == 0  # nobody asked for it
        _sample(sqlite_db, budget_day="0.0001")
        assert await _round(sqlite_db) == 4
        assert await _round(sqlite_db) == 0  # the budget is used up
        _sample(sqlite_db)
        server.reply("j", "I like turtles")
        assert await _round(sqlite_db) == 2
        assert await _round(sqlite_db) == 0
    with sqlite_db.read_scope() as session:
        found = [session.get_one(Trace, one).judged for one in ids]
        one = session.get_one(judging.Judgement, ids[-1])
    assert sorted(map(str, found)) == ["good"] * 4 + ["unscored"] * 2
    assert (one.value, one.reason) == (1.0, "good enough")
    assert one.cost is not None
    assert utcnow() - one.at < timedelta(minutes=1)


async def test_a_budget_without_a_price_asks_nothing(sqlite_db: Database):
    push(sqlite_db, "About {{ topic }}.")
    make_app(sqlite_db)
    release(sqlite_db)
    _calls(sqlite_db, 1)
    with witness() as server:
        _model(sqlite_db, server.base_url, "ok")
        _sample(sqlite_db, budget_day="1")
        assert await _round(sqlite_db) == 0
        _sample(sqlite_db)
        assert await _round(sqlite_db) == 1  # the control
