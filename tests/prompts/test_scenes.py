"""Scenes: saved at each change, never over a newer one; strangers get their own copy."""

import pytest

from core.database import Database
from core.drafts import recent
from core.errors import Conflict, NotFound, TooLarge
from prompts import scenes
from prompts.content import MessageTemplate, PromptContent
from prompts.scene import SceneState, column, of_columns

CONTENT = PromptContent(messages=(MessageTemplate(role="user", content="问 {{ q }} 😀"),))


def state(**values: object) -> SceneState:
    one = column(CONTENT, prompt="ask", version=1, model="echo")
    return of_columns([one, one], dict(values))


def test_a_scene_comes_back_whole_and_grows_a_revision_with_each_change(db: Database) -> None:
    with db.session_scope("user:ann") as session:
        made = scenes.create(session, state(q="你好"))
    with db.session_scope("user:ann") as session:
        saved = scenes.save(session, made.id, made.state.replaced(view="diff"), revision=1)
    with db.read_scope() as session:
        found = scenes.get(session, made.id)
        assert [row.ref for row in recent(session, "user:ann")] == [made.id]
        assert [row.id for row in scenes.list_scenes(session, "user:ann")] == [made.id]
        assert scenes.list_scenes(session, "user:bob") == []
    assert saved == found
    assert (found.revision, found.state.view, found.state.values) == (2, "diff", {"q": "你好"})
    assert found.state.columns[0].content["messages"][0]["content"] == "问 {{ q }} 😀"


def test_a_scene_of_before_there_were_bases_still_loads() -> None:
    dumped = state(q="1").model_dump(mode="json")
    for one in dumped["columns"]:
        for later in ("kb", "search", "readings"):
            del one[later]
    found = SceneState.model_validate(dumped)
    assert found == state(q="1")
    assert found.columns[0].name == "ask@1 | echo"


def test_a_change_to_an_older_revision_is_a_conflict_that_shows_the_newer(db: Database) -> None:
    with db.session_scope("user:ann") as session:
        made = scenes.create(session, state(q="1"))
    with db.session_scope("user:ann") as session:
        scenes.save(session, made.id, state(q="2"), revision=1)
    with pytest.raises(scenes.SceneConflictError) as told, db.session_scope("user:ann") as session:
        scenes.save(session, made.id, state(q="3"), revision=1)
    assert told.value.newer.state.values == {"q": "2"}
    with db.read_scope() as session:
        assert scenes.get(session, made.id).state.values == {"q": "2"}


def test_somebody_elses_scene_is_copied_and_stays_as_it_was(db: Database) -> None:
    with db.session_scope("user:ann") as session:
        made = scenes.create(session, state(q="1"))
    with db.session_scope("user:bob") as session:
        copied = scenes.save(session, made.id, state(q="mine"), revision=made.revision)
    with db.read_scope() as session:
        assert scenes.get(session, made.id) == made
    assert (copied.owner, copied.copied_from, copied.revision) == ("user:bob", made.id, 1)
    assert copied.id != made.id
    with pytest.raises(Conflict), db.session_scope("user:bob") as session:
        scenes.remove(session, made.id)


def test_a_removed_scene_is_gone_from_every_list(sqlite_db: Database) -> None:
    with sqlite_db.session_scope("user:ann") as session:
        made = scenes.create(session, state())
    with sqlite_db.session_scope("user:ann") as session:
        scenes.remove(session, made.id)
    with sqlite_db.read_scope() as session:
        assert recent(session, "user:ann") == []
        with pytest.raises(NotFound):
            scenes.get(session, made.id)


def test_what_is_too_large_to_keep_is_refused(sqlite_db: Database) -> None:
    with pytest.raises(TooLarge), sqlite_db.session_scope("user:ann") as session:
        scenes.create(session, state(q="x" * scenes.MOST_BYTES))


def test_columns_come_and_go_and_the_last_stays() -> None:
    one = state()
    two = one.added(one.columns[0])
    assert [c.id for c in two.columns] == ["c1", "c2", "c3"]
    assert [c.id for c in two.removed("c2").added(one.columns[0]).columns] == ["c1", "c3", "c4"]
    only = two.removed("c1").removed("c2").removed("c3")
    assert [c.id for c in only.columns] == ["c3"]
    assert only.columns[0].name == "ask@1 | echo"
    assert two.with_column("c2", changed=True).columns[1].name == "ask@1* | echo"
