"""What of apps waits for a person, until somebody has moved the alias or the window is over."""

from datetime import timedelta
from typing import Any

import pytest
from genai_prices.data_snapshot import get_snapshot

from connectors.models import ModelSettings
from connectors.service import add_model
from core.clock import utcnow
from core.database import Database
from serving import aliases, gates
from serving.alerts import claim, due_alerts
from serving.attention import Ending, Waiting, alarms, waiting
from serving.lookup import need_app
from serving.service import save_operations
from serving.settings import Alert, Operations
from tests.support.apps import ACTOR, arms_run, change, make_app, push, release
from tests.support.calls import make_calls


@pytest.fixture
def faq(db: Database) -> Database:
    """Two releases of `faq`, the first in production."""
    push(db, "Answer {{ question }}")
    make_app(db)
    release(db)
    change(db, repair=False)
    release(db)
    with db.session_scope(ACTOR) as session:
        aliases.promote(session, "faq", 1, "production")
    return db


def found(db: Database, later: timedelta = timedelta()) -> Waiting:
    with db.read_scope() as session:
        return waiting(session, utcnow() + later)


def end_canary(db: Database, **how: Any) -> None:
    with db.session_scope(ACTOR) as session:
        aliases.promote(session, "faq", 2, "production", canary=10)
        aliases.end_canary(session, "faq", "production", **how)


def test_nothing_waits_at_first(faq: Database) -> None:
    assert found(faq) == Waiting((), (), (), ())


def test_a_canary_that_lost_waits_until_the_alias_moves(faq: Database) -> None:
    end_canary(faq, win=False, reason="errors")
    (one,) = found(faq).stopped
    assert (one.app, one.alias, one.release, one.why) == ("faq", "production", 2, "errors")
    assert found(faq, timedelta(days=8)).stopped == ()
    with faq.session_scope(ACTOR) as session:
        aliases.promote(session, "faq", 2, "production")
    assert found(faq).stopped == ()


def test_a_canary_that_won_waits_for_nobody(faq: Database) -> None:
    end_canary(faq, win=True)
    assert found(faq) == Waiting((), (), (), ())


def test_a_refused_promotion_waits_until_the_alias_moves(faq: Database) -> None:
    run = arms_run(faq, ("faq@1",))
    with faq.session_scope(ACTOR) as session:
        gate = gates.parse_gate(f"{run}:share_good>=0.9")
        for _ in range(2):
            gates.promote_on(session, "faq", 2, "production", gate)
    (one,) = found(faq).refused
    assert (one.app, one.alias, one.release) == ("faq", "production", 2)
    assert "share_good has no value" in one.failures[0]
    with faq.session_scope(ACTOR) as session:
        aliases.promote(session, "faq", 2, "production")
    assert found(faq).refused == ()


def test_an_alarm_is_on_while_its_window_runs(faq: Database) -> None:
    alert = Alert(figure="error_rate", bound=0.1, least=3, url="https://hooks.example.com/a")
    with faq.session_scope(ACTOR) as session:
        save_operations(session, "faq", Operations(alerts=(alert,)))
        app = need_app(session, "faq")
        failed = {"state": "failed", "status": 502}
        make_calls(session, app, 5, every=timedelta(0), fields=lambda _: failed)
        (due,) = due_alerts(session, utcnow())
        assert claim(session, due)
    with faq.read_scope() as session:
        (alarm,) = alarms(session, need_app(session, "faq"), utcnow())
    assert (alarm.app, alarm.told.value, alarm.told.delivered) == ("faq", 1.0, False)
    assert len(found(faq).alarms) == 1
    assert found(faq, timedelta(minutes=15)).alarms == ()


def test_a_model_that_its_provider_ends_is_named_with_its_apps(faq: Database) -> None:
    (table,) = (one for one in get_snapshot().providers if one.id == "mistral")
    old = next(model.id for model in table.models if model.deprecated)
    new = next(model.id for model in table.models if not model.deprecated)
    with faq.session_scope(ACTOR) as session:
        for name, model in (("old", old), ("new", new)):
            add_model(
                session, name, ModelSettings(base_url="https://api.mistral.ai/v1", model=model)
            )
    change(faq, model="new", fallbacks=("old",))
    assert found(faq).ending == (Ending("faq", "old"),)
    change(faq, fallbacks=())
    assert found(faq).ending == ()
