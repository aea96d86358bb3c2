"""Backends on their page: added with an estimate, started, stopped, removed; roles hold."""

from pathlib import Path

import pytest

from connectors.backends import notes, service
from connectors.backends.models import Backend, BackendSettings
from connectors.service import get_model
from core.clock import utcnow
from core.database import Database
from core.errors import NotFound
from core.models import User
from core.users import get_user
from tests.support.models import adapter, folder
from tests.support.pages import page, words


def by_label(elements, label: str):
    return next(one for one in elements if one.label == label)


def tables(found) -> str:
    return str([one.value.to_dict() for one in found.dataframe])


def has_role(db: Database, role: str) -> None:
    with db.session_scope("system") as session:
        user: User = get_user(session, "admin")
        user.role = role
        session.add(user)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return folder(tmp_path / "model")


@pytest.fixture
def served(workspace, sqlite_db: Database, source: Path) -> Database:
    """A vLLM backend that its watcher has seen ready."""
    with sqlite_db.session_scope("user:admin") as session:
        settings = BackendSettings(kind="vllm", source=str(source), lora=True)
        service.add_backend(session, "mine", settings)
        place = adapter(sqlite_db.settings.data / "tuning" / "job" / "adapter")
        tuned = service.serve_adapter(session, "mine", "tuned", place)
        row = session.get(Backend, "mine")
        assert row is not None
        row.state, row.wanted, row.seen_at = "ready", "running", utcnow()
        row.adapters = [tuned.served_name]
        row.figures = {"tokens_per_second": 120.4, "running": 3, "place": "cpu", "memory": 3 << 30}
        session.add(row)
    return sqlite_db


def test_nothing_yet_says_what_to_do(workspace) -> None:
    found = page("backends")
    assert not found.exception
    assert "backend install vllm" in words(found)


def test_a_backend_is_added_with_an_estimate(workspace, sqlite_db: Database, source: Path) -> None:
    found = page("backends", do="new")
    found.text_input(key="backend_name").set_value("mine")
    found.selectbox(key="backend_kind").set_value("vllm")
    found.text_input(key="backend_source").set_value(str(source / "none"))
    by_label(found.button, "Save backend").click().run()
    assert "There is no model at" in words(found)
    found.text_input(key="backend_source").set_value(str(source))
    by_label(found.button, "Save backend").click().run()
    assert not found.exception
    with sqlite_db.read_scope() as session:
        made = service.get_backend(session, "mine")
        assert get_model(session, "mine").settings.backend == "mine"
    assert (made.settings.kind, made.state) == ("vllm", "stopped")
    found = page("backends", id="mine")
    assert "KV cache" in tables(found)
    assert "in all" in tables(found)


def test_what_runs_is_shown_and_stopped(served: Database) -> None:
    log = notes.log_of(served.settings.data, "mine")
    log.parent.mkdir(parents=True)
    log.write_text("hello ![x](http://evil/x.png)\n")
    assert "120 tokens/s" in tables(page("backends"))
    found = page("backends", id="mine")
    assert not found.exception
    assert "120 tokens/s" in tables(found)
    assert "tuned" in words(found)
    assert "hello" in words(found)
    found.button(key="backend_act").click().run()
    with served.read_scope() as session:
        assert service.get_backend(session, "mine").wanted == "stopped"
    found.button(key="backend_act").click().run()
    with served.read_scope() as session:
        assert service.get_backend(session, "mine").wanted == "running"


def test_an_adapter_is_unloaded(served: Database) -> None:
    found = page("backends", id="mine")
    by_label(found.button, "Unload").click().run()
    with served.read_scope() as session:
        assert service.adapters_of(session, "mine") == []
        with pytest.raises(NotFound):
            get_model(session, "tuned")


def test_a_backend_is_removed_with_its_models(served: Database) -> None:
    found = page("backends", id="mine", do="remove")
    by_label(found.button, "Remove backend").click().run()
    with served.read_scope() as session:
        assert service.list_backends(session) == []
        for name in ("mine", "tuned"):
            with pytest.raises(NotFound):
                get_model(session, name)


@pytest.mark.parametrize(("role", "starts"), [("viewer", False), ("engineer", True)])
def test_only_the_administrator_names_files(served: Database, role: str, starts: bool) -> None:
    has_role(served, role)
    found = page("backends", do="new")
    assert not found.text_input
    found = page("backends", id="mine")
    labels = [one.label for one in found.button]
    assert ("Stop server" in labels) is starts
    assert ("Unload" in labels) is starts
    assert "Remove backend" not in [
        one.label for one in page("backends", id="mine", do="remove").button
    ]


def test_a_peft_worker_is_marked_and_keeps_its_adapter(
    workspace, sqlite_db: Database, source: Path
) -> None:
    place = adapter(sqlite_db.settings.data / "tuning" / "job" / "adapter")
    with sqlite_db.session_scope("user:admin") as session:
        settings = BackendSettings(kind="peft", source=str(source), adapter=str(place))
        service.add_backend(session, "slow", settings)
    assert "PEFT (slower)" in tables(page("backends"))
    found = page("backends", id="slow", do="change")
    assert not found.exception
    found.number_input(key="backend_idle").set_value(7.0)
    by_label(found.button, "Save backend").click().run()
    with sqlite_db.read_scope() as session:
        now = service.get_backend(session, "slow").settings
    assert (now.kind, now.adapter, now.idle_minutes) == ("peft", str(place), 7.0)
