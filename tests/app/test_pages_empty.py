"""Every page on an empty workspace: no error, one title, and the next step in words."""

import pytest

from app.workspace.components.navigation import PLACES
from app.workspace.strings import raw
from tests.support.pages import page, speak, words

SAYS = {
    "home": "Three steps to a first verdict",
    "prompts": "No prompts yet.",
    "playground": "No comparisons yet.",
    "datasets": "No datasets yet.",
    "knowledge": "Nothing here yet.",
    "runs": "No runs yet.",
    "label": "Nothing to label.",
    "evaluators": "need no model",
    "keys": "No keys.",
    "apps": "No apps yet.",
    "traces": "No calls yet.",
    "review": "No feedback waiting.",
    "models": "Models",
    "backends": "No own servers.",
    "tuning": "No jobs.",
    "settings": "Settings",
}


@pytest.mark.parametrize("name", [place.page for place in PLACES])
def test_page_is_empty_and_says_the_next_step(workspace, name):
    found = page(name)
    assert not found.exception
    assert len(found.title) == 1
    assert SAYS[name] in words(found)


def test_without_a_session_nothing_is_shown(workspace, monkeypatch):
    from app.workspace.components import access

    monkeypatch.setattr(access, "cookies", lambda: {})
    found = page()
    assert found.title[0].value == "Sign in"
    assert not found.button


@pytest.mark.parametrize(
    ("name", "param"),
    [("prompts", "id"), ("datasets", "id"), ("knowledge", "id"), ("runs", "id"), ("apps", "id"),
     ("models", "id"), ("backends", "id"), ("tuning", "id"), ("label", "queue"),
     ("playground", "scene")],
)  # fmt: skip
def test_what_is_gone_leaves_a_title_and_the_way_to_the_rest(
    workspace, sqlite_db, name: str, param: str
):
    found = page(name, **{param: "nobody"})
    assert not found.exception
    assert found.title[0].value == raw(f"navigation.{name}")
    assert "There is nothing at this address: nobody" in words(found)
    assert "promptstone" not in found.error[0].value
    speak(sqlite_db, "zh")
    assert "此地址没有内容" in words(page(name, **{param: "nobody"}))


@pytest.mark.parametrize(
    ("name", "query"),
    [("keys", {"id": "nobody"}),
     ("traces", {"sel": "nobody"}), ("traces", {"app": "nobody", "sel": "x"}),
     ("review", {"app": "nobody"}), ("evaluators", {"id": "nobody"})],
)  # fmt: skip
def test_a_dead_link_is_a_sentence(workspace, name, query):
    found = page(name, **query)
    assert not found.exception
    assert "There is no" in words(found).replace("\\", "")
