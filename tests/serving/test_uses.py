"""Apps that use a prompt, a model or a base: their drafts, and what their aliases answer with."""

import pytest

from connectors.models import ModelSettings
from connectors.service import add_model
from core.database import Database
from serving import aliases, service
from serving.settings import AppSettings, KnowledgeUse
from serving.uses import AppUse, Part, apps_using
from tests.support.apps import ACTOR, change, make_app, push, release


@pytest.fixture
def apps(db: Database) -> Database:
    for prompt in ("faq", "faq/long", "news"):
        push(db, f"Be as kind as {prompt}.", prompt, "system")
    with db.session_scope(ACTOR) as session:
        add_model(session, "fast", ModelSettings(base_url="https://models.example/v1", model="m"))
    make_app(db)
    make_app(db, "other", prompt="faq/long@1", fallbacks=("fast",))
    return db


def using(db: Database, part: Part, name: str) -> list[AppUse]:
    with db.read_scope() as session:
        return apps_using(session, part, name)


def test_drafts_and_live_releases_are_told_apart(apps: Database) -> None:
    assert using(apps, "prompt", "faq") == [AppUse("faq", True, ())]
    first = release(apps).number
    with apps.session_scope(ACTOR) as session:
        aliases.promote(session, "faq", first, "production")
    change(apps, prompt="news@1")
    assert using(apps, "prompt", "faq") == [AppUse("faq", False, ("production",))]
    assert using(apps, "prompt", "news") == [AppUse("faq", True, ())]
    second = release(apps).number
    with apps.session_scope(ACTOR) as session:
        aliases.promote(session, "faq", second, "production", canary=10)
    assert using(apps, "prompt", "news") == [AppUse("faq", True, ("production",))], "a canary"
    assert using(apps, "prompt", "faq") == [AppUse("faq", False, ("production",))]


def test_fallbacks_count_and_others_do_not(apps: Database) -> None:
    assert using(apps, "model", "fast") == [AppUse("other", True, ())]
    assert [use.app for use in using(apps, "model", "echo")] == ["faq", "other"]
    assert using(apps, "model", "demo") == []


def test_a_base_that_a_draft_reads_from_is_found(apps: Database) -> None:
    reads = AppSettings(
        kind="rag", prompt="faq@1", model="echo", knowledge=KnowledgeUse(kb="manual")
    )
    with apps.session_scope(ACTOR) as session:
        service.create(session, "rag", reads, loose=True)
    assert using(apps, "base", "manual") == [AppUse("rag", True, ())]
    assert using(apps, "base", "other") == []
