"""What pages leave behind is frozen once a page; the plain editor is known without asking again."""

import gc

from sqlalchemy import event

from app.workspace.components import access, settling
from core.database import Database
from core.workspace_settings import get_setting, set_setting
from tests.support.pages import page


def test_a_page_is_frozen_at_its_first_drawing_only(workspace, monkeypatch):
    monkeypatch.setattr(settling, "_drawn", set())
    before = gc.get_freeze_count()
    kept = [page("models")]
    first = gc.get_freeze_count()
    assert first > before
    kept.append(page("models"))
    assert gc.get_freeze_count() <= first  # counting references goes on, nothing was added
    kept.append(page("evaluators"))
    assert gc.get_freeze_count() > first


def test_asking_for_the_plain_editor_reads_nothing(workspace, sqlite_db: Database, monkeypatch):
    with sqlite_db.session_scope("user:admin") as session:
        set_setting(session, "simple_editor", True)
    found = page("settings")
    asked: list[str] = []

    def note(_connection, _cursor, statement, *_rest) -> None:
        asked.append(statement)

    monkeypatch.setattr(access.st, "session_state", found.session_state)
    event.listen(sqlite_db.reader, "before_cursor_execute", note)
    assert access.simple_editor()
    assert asked == []
    with sqlite_db.read_scope() as session:
        get_setting(session, "simple_editor")
    assert asked  # it would have been seen
    found.toggle(key="settings_simple_editor").set_value(False).run()
    assert not access.simple_editor()
