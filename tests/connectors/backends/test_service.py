"""Backends as rows: their models, their names, what goes together, on both databases."""

from datetime import timedelta
from pathlib import Path

import pytest

from connectors.backends import naming, service
from connectors.backends.models import Backend, BackendSettings
from connectors.backends.public import BackendPublic
from connectors.backends.rows import Rows
from connectors.models import ModelSettings
from connectors.service import add_model, get_model, list_models, target_of
from core.clock import utcnow
from core.database import Database
from core.errors import Conflict, Invalid, NotFound
from tests.support.models import folder


def added(db: Database, name: str, **fields: object) -> BackendPublic:
    settings = BackendSettings.model_validate({"kind": "vllm", "source": "org/model", **fields})
    with db.session_scope("user:admin") as session:
        return service.add_backend(session, name, settings, allow_local=True)


def test_a_backend_brings_its_model_and_takes_it_along(db: Database) -> None:
    added(db, "team/mine", lora=True, gpu_memory=4)
    with db.session_scope("user:admin") as session:
        model = get_model(session, "team/mine")
        assert (model.settings.kind, model.settings.backend) == ("backend", "team/mine")
        assert model.price is not None
        assert model.price.source == "local"
        target = target_of(session, "team/mine", db.settings.key_path)
        assert target.origin == "backend:team/mine"
        served = service.serve_adapter(session, "team/mine", "tuned@1".replace("@", "-"), "/x/a")
        assert served.served_name == naming.served_adapter("tuned-1", "/x/a")
        assert service.adapters_of(session, "team/mine") == [("tuned-1", served.served_name)]
        with pytest.raises(NotFound):
            service.remove_adapter(session, "team/mine", "team/mine")
        service.remove_backend(session, "team/mine")
        assert not [one for one in list_models(session) if one.settings.kind == "backend"]
        with pytest.raises(NotFound):
            service.get_backend(session, "team/mine")


def test_what_does_not_go_together_is_refused(sqlite_db: Database) -> None:
    with pytest.raises(Invalid, match="serves no adapters"):
        added(sqlite_db, "a", kind="llamacpp", source="/x.gguf", lora=True)
    added(sqlite_db, "plain")
    with sqlite_db.session_scope("user:admin") as session:
        add_model(session, "taken", ModelSettings(base_url="https://h.example/v1", model="m"))
        with pytest.raises(Conflict, match="serves no adapters"):
            service.serve_adapter(session, "plain", "x", "/x")
        with pytest.raises(Invalid, match="backend add"):
            add_model(session, "b", ModelSettings(kind="backend", model="m"))
        with pytest.raises(Invalid, match="backend add"):
            add_model(session, "b", ModelSettings(model="m", backend="plain"))
    with pytest.raises(Conflict, match="already"):
        added(sqlite_db, "taken")


def test_a_server_that_runs_elsewhere_is_an_ordinary_model(sqlite_db: Database) -> None:
    found = added(sqlite_db, "far", base_url="http://127.0.0.1:8000/v1", source="their-id")
    assert found.elsewhere
    with sqlite_db.session_scope("user:admin") as session:
        model = get_model(session, "far").settings
        assert (model.kind, model.model, model.backend) == ("openai", "their-id", None)
        with pytest.raises(Conflict, match="run elsewhere"):
            service.start_backend(session, "far")


def test_other_files_have_another_name(tmp_path: Path) -> None:
    """An answer that is kept goes by it, so it must not be taken for that of other weights."""
    place = folder(tmp_path / "m")
    settings = BackendSettings(kind="vllm", source=str(place))
    before = naming.served_model(settings)
    assert naming.served_model(settings) == before
    (place / "model.safetensors").write_bytes(b"other")
    assert naming.served_model(settings) != before
    assert naming.served_adapter("a", "/x") != naming.served_adapter("a", "/y")


def test_a_state_that_nobody_has_seen_lately_is_not_told(sqlite_db: Database) -> None:
    added(sqlite_db, "a")
    for age, state in ((5, "ready"), (60, "stopped")):
        with sqlite_db.session_scope("t") as session:
            row = session.get(Backend, "a")
            assert row is not None
            row.state, row.seen_at = "ready", utcnow() - timedelta(seconds=age)
            session.add(row)
        with sqlite_db.read_scope() as session:
            assert service.get_backend(session, "a").state == state


def test_each_machine_keeps_its_own(db: Database) -> None:
    """On PostgreSQL, until its watcher is silent; a data folder with SQLite is one place."""
    added(db, "a")
    with db.session_scope("t") as session:
        row = session.get(Backend, "a")
        assert row is not None
        row.owner, row.seen_at, row.wanted = "other:abc", utcnow(), "running"
        session.add(row)
    assert ("a" in Rows(db).read()) is db.is_sqlite
    with db.session_scope("t") as session:
        row = session.get(Backend, "a")
        assert row is not None
        row.seen_at = utcnow() - timedelta(minutes=2)
        session.add(row)
    assert "a" in Rows(db).read()
