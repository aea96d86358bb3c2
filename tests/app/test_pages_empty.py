"""Every page on an empty workspace: no error, one title, and the next step in words."""

import pytest

from app.workspace.components.navigation import PLACES
from tests.support.pages import page, words

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
    ("name", "query"),
    [("prompts", {"id": "nobody"}), ("datasets", {"id": "nobody"}), ("runs", {"id": "nobody"}),
     ("models", {"id": "nobody"}), ("backends", {"id": "nobody"}), ("tuning", {"id": "nobody"}), ("apps", {"id": "nobody"}), ("keys", {"id": "nobody"}),
     ("traces", {"sel": "nobody"}), ("traces", {"app": "nobody", "sel": "x"}),
     ("review", {"app": "nobody"}), ("label", {"queue": "nobody"}), ("evaluators", {"id": "nobody"})],
)  # fmt: skip
def test_a_dead_link_is_a_sentence(workspace, name, query):
    found = page(name, **query)
    assert not found.exception
    assert "There is no" in words(found).replace("\\", "")
