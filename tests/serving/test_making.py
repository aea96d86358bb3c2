"""Drafts that can be released, and apps of arms."""

import pytest

from core.database import Database
from core.errors import Invalid, NotFound
from serving import gates, making
from serving.from_arm import settings_from_arm
from serving.service import create
from tests.support.apps import ACTOR, arms_run, change, make_app, manifest_of, push, release
from tests.support.runs_factory import make_run


@pytest.fixture
def db(sqlite_db: Database) -> Database:
    push(sqlite_db, "Answer {{ question }}", options={"temperature": 0, "seed": 1})
    push(sqlite_db, "Be kind.", name="talk", role="system")
    return sqlite_db


def drafted(db: Database, kind=None, **fields):
    return making.draft_settings(db, {"prompt": "faq", "model": "echo", **fields}, kind)


def test_the_kind_is_the_prompts_own_unless_given(db: Database) -> None:
    assert drafted(db).kind == "completion"
    assert drafted(db, prompt="talk").kind == "chat"
    assert drafted(db, "chat").kind == "chat"


@pytest.mark.parametrize(
    ("fields", "error", "match"),
    [
        ({"prompt": "none"}, NotFound, "none"),
        ({"model": "none"}, NotFound, "none"),
        ({"fallbacks": ["none"]}, NotFound, "none"),
        ({"knowledge": {"kb": "none"}}, NotFound, "none"),
        ({"history": "server"}, Invalid, "no turns"),
        ({"fallbacks": ["echo"] * 6}, Invalid, "fallbacks"),
        ({"params": {"api_key": "x"}}, Invalid, "looks like a key"),
        ({"guards": [{"kind": "length", "most": 0}]}, Invalid, "guards"),
        ({"colour": 1}, Invalid, "colour"),
        ({"params": {"seed": float("nan")}}, Invalid, "NaN"),
        ({"pinned": [{"question": "\x00", "answer": "a"}]}, Invalid, "NUL"),
    ],
)  # fmt: skip
def test_what_cannot_be_released_is_refused_at_once(db: Database, fields, error, match) -> None:
    with pytest.raises(error, match=match):
        drafted(db, **fields)


def test_a_release_is_made_once(db: Database) -> None:
    make_app(db)
    first = release(db, message="one")
    assert (first.number, first.created) == (1, True)
    again = release(db)
    assert (again.number, again.created, again.hash) == (1, False, first.hash)
    change(db, repair=False)
    assert release(db).number == 2


def app_of(db: Database, run: str, arm: str) -> None:
    with db.read_scope() as session:
        found = settings_from_arm(session, run, arm)
    settings = making.draft_settings(db, found.fields)
    with db.session_scope(ACTOR) as session:
        create(session, "won", settings, origin=found.origin)


def test_an_app_of_an_arm_is_that_arm(db: Database) -> None:
    params = [("temperature", 0.7), ("seed", None)]
    run = arms_run(db, ("faq@1",), params=params)
    app_of(db, run, "faq@1 | echo")
    release(db, "won")
    manifest = manifest_of(db, "won")
    assert manifest.models[0].params == {"temperature": 0.7}
    with db.read_scope() as session:
        assert gates.arms_of(session, gates.candidate(session, "won", 1), run) == ["faq@1 | echo"]


def test_options_of_the_prompt_are_left_to_the_prompt(db: Database) -> None:
    run = arms_run(db, ("faq@1",))
    with db.read_scope() as session:
        found = settings_from_arm(session, run, "faq@1 | echo")
    assert found.fields["params"] == {}
    assert found.origin == {"run": run, "arm": "faq@1 | echo", "dataset": "questions@1"}


def test_an_imported_arm_makes_no_app(db: Database) -> None:
    with db.session_scope(ACTOR) as session:
        run = make_run(session, arms=("ours", "theirs"), imported=True)
        with pytest.raises(Invalid, match="imported"):
            settings_from_arm(session, run, "ours")
        with pytest.raises(Invalid, match="no arm"):
            settings_from_arm(session, run, "nobody's")
