"""The foot of the sidebar says what lives; imported runs and charts say what they know."""

import os
import subprocess
import sys

from app import example
from connectors.demo import demo_state
from evalsets.runs.worker_note import note, worker_lock
from tests.support.pages import page, pictures, words
from tests.support.runs_factory import make_run


def foot(found) -> str:
    return "\n".join(one.value for one in found.sidebar.caption)


def test_the_foot_says_whether_runs_are_taken(workspace, sqlite_db):
    assert "No worker: runs wait" in foot(page())
    lock = worker_lock(sqlite_db.settings.data)
    assert lock.try_acquire(note())
    try:
        assert "Worker running" in foot(page("prompts"))
    finally:
        lock.release()
    assert "No worker" in foot(page("prompts"))


def test_the_demo_model_is_ready_asleep_or_missing(workspace, sqlite_db, monkeypatch, tmp_path):
    data = sqlite_db.settings.data
    assert demo_state(data) == "asleep"
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    folder = data / "demo"
    folder.mkdir(exist_ok=True)
    (folder / "server.json").write_text(f'{{"port": 1, "token": "x", "pid": {child.pid}}}')
    assert "demo model ready" in foot(page())
    child.communicate(b"\n")
    assert "demo model asleep" in foot(page())
    monkeypatch.setenv("PROMPTSTONE_DEMO_MODEL", os.fspath(tmp_path / "none.gguf"))
    assert "demo model not installed" in foot(page())


def test_tokens_of_an_imported_run_are_unknown_not_zero(workspace, sqlite_db):
    with sqlite_db.session_scope("user:admin") as session:
        run = make_run(session, cases=3, imported=True)
    assert list(page("runs", id=run).dataframe[0].value["tokens"]) == ["–", "–"]


def test_differences_are_drawn_in_points(workspace, sqlite_db):
    example.load(sqlite_db, "user:admin")
    with sqlite_db.read_scope() as session:
        run_id = example.known_run(session)
    found = page("runs", id=run_id, tab="verdict")
    assert "points" in words(found)
    (picture,) = [svg for svg in pictures(found) if 'class="zero"' in svg]
    assert ">+35<" in picture
    assert ">\u221235<" in picture
    assert ">points<" in picture
    assert "%" not in picture.split("<g", 1)[0]
