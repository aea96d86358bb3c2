"""Keys on their page: made and shown once, listed by prefix, revoked by typing it."""

import re
from decimal import Decimal

import pytest

from core.database import Database
from core.models import User
from core.users import get_user
from rag.access import set_rule
from rag.models import KnowledgeBase
from serving.key_forms import CreatedKey, KeyCreate
from serving.keys import create_key, list_keys, load_keys, token_hash
from serving.models import App
from tests.support.pages import page, words


def by_label(elements, label: str):
    return next(one for one in elements if one.label == label)


@pytest.fixture
def apps(workspace, sqlite_db: Database) -> Database:
    with sqlite_db.session_scope("user:admin") as session:
        for name in ("faq", "news"):
            settings = {"kind": "chat", "prompt": "p", "model": "echo"}
            session.add(App(name=name, settings=settings, actor="user:admin"))
    return sqlite_db


def made(db: Database, name: str, **fields) -> CreatedKey:
    with db.session_scope("user:admin") as session:
        return create_key(session, KeyCreate(**{"name": name, "apps": ("faq",), **fields}))


def tokens(found) -> list[str]:
    return [one.value for one in found.code if one.value.startswith("ps_")]


def has_role(db: Database, role: str) -> None:
    with db.session_scope("system") as session:
        user: User = get_user(session, "admin")
        user.role = role
        session.add(user)


def test_a_new_key_is_shown_once(apps):
    found = page("keys", do="new")
    found.text_input(key="key_name").set_value("web")
    found.multiselect(key="key_apps").set_value(["faq", "news"])
    found.text_input(key="key_budget").set_value("1.50")
    found.number_input(key="key_rpm").set_value(60)
    found.selectbox(key="key_person").set_value("user:admin")
    by_label(found.button, "Create key").click().run()
    assert not found.exception
    (token,) = tokens(found)
    assert re.fullmatch(r"ps_[\w-]{43}", token)
    with apps.read_scope() as session:
        key = load_keys(session)[token_hash(token)]
    assert (key.name, key.rpm, key.budget_nano) == ("web", 60, 1_500_000_000)
    assert (key.person, len(key.app_ids)) == ("user:admin", 2)
    found.query_params.clear()
    found.run()
    for seen in (found, page("keys", id="web")):
        assert not tokens(seen)
        assert token not in words(seen) + str([one.value.to_dict() for one in seen.dataframe])
        assert token[:8] in str([one.value.to_dict() for one in seen.dataframe])


def test_what_is_missing_is_said_in_the_drawer(apps):
    found = page("keys", do="new")
    found.text_input(key="key_name").set_value("web")
    by_label(found.button, "Create key").click().run()
    assert "at least one" in words(found)
    found.multiselect(key="key_apps").set_value(["faq"])
    found.text_input(key="key_budget").set_value("much")
    by_label(found.button, "Create key").click().run()
    assert "no number above 0" in words(found)
    assert not tokens(found)
    with apps.read_scope() as session:
        assert list_keys(session) == []


def test_the_table_says_who_may_what(apps):
    made(apps, "web", rpm=60, tpm=9000, streams=3, budget_day=Decimal("1.50"), person="user:admin")
    figures = made(apps, "figures", scope="metrics", apps=())
    found = page("keys")
    rows = found.dataframe[0].value.to_dict("records")
    assert [row["name"] for row in rows] == ["figures", "web"]
    assert rows[0]["prefix"] == f"{figures.prefix}…"
    assert rows[0]["apps"] == "figures (/metrics)"
    assert rows[1]["limits"] == "60 requests/min · 9,000 tokens/min · 3 streams"
    assert (rows[1]["used"], rows[1]["person"], rows[1]["state"]) == ("$0 / $1.50", "admin", "good")


def test_a_key_is_revoked_by_its_first_characters(apps):
    created = made(apps, "web")
    found = page("keys", id="web", do="revoke")
    found.text_input(key="key_typed").set_value("ps_wrong")
    by_label(found.button, "Revoke key").click().run()
    assert f"The first characters are {created.prefix}" in words(found).replace("\\", "")
    with apps.read_scope() as session:
        assert token_hash(created.key) in load_keys(session)
    found.text_input(key="key_typed").set_value(created.prefix)
    by_label(found.button, "Revoke key").click().run()
    assert not found.exception
    with apps.read_scope() as session:
        assert load_keys(session) == {}
    assert not [one for one in found.button if one.label == "Revoke…"]
    assert page("keys").dataframe[0].value["state"][0] == "revoked"


def test_the_rules_that_a_key_obeys_stand_below_it(apps):
    made(apps, "web")
    made(apps, "ann", person="user:admin")
    with apps.read_scope() as session:
        ids = {key.name: key.id for key in list_keys(session)}
    with apps.session_scope("user:admin") as session:
        base = KnowledgeBase(
            name="help",
            embedder={},
            fingerprint="x",
            chunker={},
            cleaning={},
            retrieval={},
            actor="system",
        )
        session.add(base)
        session.flush()
        set_rule(session, base, f"key:{ids['web']}", {"team": ["a", "b"]})
    said = words(page("keys", id="web")).replace("\\", "")
    assert f"key:{ids['web']}" in said
    assert "help: team=a, b" in said
    other = words(page("keys", id="ann")).replace("\\", "")
    assert "user:admin" in other
    assert "help" not in other


def test_only_publishers_make_and_revoke(apps):
    created = made(apps, "web")
    opened = page("keys", id="web", do="revoke")
    fresh = page("keys", do="new")
    has_role(apps, "viewer")
    for query in ({"do": "new"}, {"id": "web", "do": "revoke"}):
        found = page("keys", **query)
        assert not found.exception
        labels = {one.label for one in found.button}
        assert not labels & {"New key…", "Create key", "Revoke…", "Revoke key"}
    opened.text_input(key="key_typed").set_value(created.prefix)
    by_label(opened.button, "Revoke key").click().run()
    fresh.text_input(key="key_name").set_value("late")
    fresh.multiselect(key="key_apps").set_value(["faq"])
    by_label(fresh.button, "Create key").click().run()
    with apps.read_scope() as session:
        assert [key.name for key in load_keys(session).values()] == ["web"]
    has_role(apps, "publisher")
    assert "New key…" in {one.label for one in page("keys").button}
    has_role(apps, "engineer")
    with pytest.raises(ValueError, match="keys"):
        page("keys")
