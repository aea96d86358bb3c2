"""What a process holds in memory: releases with the keys and time-outs that their models have now."""

from connectors.models import ModelSettings
from connectors.service import add_model
from core.database import Database
from serving.live import Live
from tests.support.apps import ACTOR, make_app, push, release


def _model(db: Database, timeout: float) -> None:
    settings = ModelSettings(base_url="http://127.0.0.1:9/v1", model="m", timeout=timeout)
    with db.session_scope(ACTOR) as session:
        add_model(session, "m", settings, allow_local=True)


async def test_models_are_read_anew_when_one_has_changed_and_only_then(db: Database) -> None:
    _model(db, 20)
    push(db, "You are kind.", role="system")
    make_app(db, model="m")
    release(db)
    live = Live(db)
    live.refresh()
    (app,) = live._view.apps.values()
    first = (await live.release(app, 1)).doors
    live.refresh()
    assert (await live.release(app, 1)).doors is first
    _model(db, 30)
    live.refresh()
    assert [door.target.timeout for door in first] == [20]
    assert [door.target.timeout for door in (await live.release(app, 1)).doors] == [30]
