"""Uploads are kept by number, named by what the browser said, and gone when nobody needs them."""

import io
import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import Session

from core.clock import utcnow
from core.database import Database
from core.errors import Invalid, Unavailable
from rag import ingests, service, uploads
from rag.models import Ingest, IngestItem
from rag.service import EmbedderIdentity
from rag.settings import chunk_settings, cleaning_settings
from rag.sources import Source, find_sources
from rag.uploads import Upload, hand_over, spool, sweep


def upload(name: str, text: str = "x") -> Upload:
    return Upload(name, io.BytesIO(text.encode()))


def files(data: Path) -> list[Path]:
    return sorted(path for path in (data / uploads.FOLDER).rglob("*") if path.is_file())


def test_a_name_is_never_a_path(tmp_path: Path):
    names = ["../../etc/passwd", "/etc/cron.d/x", "a/../../b.md", "..", "x\x00y.md", "a.md", "a.md"]
    sources = spool(tmp_path, [upload(name) for name in names])
    assert [Path(one.path).parent.parent for one in sources] == [tmp_path / "uploads"] * len(names)
    assert all(len(Path(one.path).name) == 32 for one in sources)
    assert len({one.name for one in sources}) == len(names)
    assert all(".." not in one.name for one in sources)
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in files(tmp_path))
    assert Path(sources[0].path).parent.stat().st_mode & 0o777 == 0o700


def test_a_folder_names_its_documents_as_the_command_does(tmp_path: Path):
    found = spool(tmp_path, [upload("docs/a.md"), upload("docs/in/b.md"), upload("docs/.git/x")])
    assert [(one.name, one.root) for one in found] == [
        ("a.md", "upload:docs"), ("in/b.md", "upload:docs"),
    ]  # fmt: skip


def test_nothing_is_refused(tmp_path: Path):
    with pytest.raises(Invalid, match="no file"):
        spool(tmp_path, [upload("docs/.hidden")])


def test_a_disk_that_refuses_leaves_nothing(tmp_path: Path):
    (tmp_path / "uploads").write_text("a file stands in the way")
    with pytest.raises(Unavailable, match="cannot be kept"):
        spool(tmp_path, [upload("a.md")])


def queued(session: Session, data: Path, *names: str) -> Ingest:
    identity = EmbedderIdentity({"kind": "minilm"}, "f")
    service.create(
        session, "docs", identity, chunk_settings("markdown", 64, 8), cleaning_settings((), False)
    )
    return ingests.start_add(session, "docs", spool(data, [upload(name) for name in names]))


def end(session: Session, ingest: Ingest, *states: str) -> None:
    for position, state in enumerate(states):
        item = session.get_one(IngestItem, (ingest.id, position))
        item.state = state
        session.add(item)
    ingest.state, ingest.ended_at = "completed", utcnow()
    session.add(ingest)
    session.flush()


def test_files_stay_while_their_ingest_lives(sqlite_db: Database):
    data = sqlite_db.settings.data
    with sqlite_db.session_scope("user:test") as session:
        queued(session, data, "a.md", "b.md")
        sweep(session, data)
    assert len(files(data)) == 2


def test_what_failed_waits_a_day_for_a_retry(sqlite_db: Database):
    data = sqlite_db.settings.data
    with sqlite_db.session_scope("user:test") as session:
        ingest = queued(session, data, "a.md", "b.md")
        end(session, ingest, "done", "failed")
        sweep(session, data)
        assert len(files(data)) == 1
        again = ingests.retry_failed(session, ingest.id)
        sweep(session, data)
        assert len(files(data)) == 1
        end(session, again, "done")
        sweep(session, data)
        assert files(data) == []
    assert list((data / "uploads").iterdir()) == []


def test_a_day_later_it_is_gone(sqlite_db: Database):
    data = sqlite_db.settings.data
    with sqlite_db.session_scope("user:test") as session:
        ingest = queued(session, data, "a.md")
        end(session, ingest, "failed")
        ingest.ended_at = utcnow() - timedelta(days=2)
        session.add(ingest)
        session.flush()
        sweep(session, data)
    assert files(data) == []


def test_an_upload_that_is_just_being_queued_stays(sqlite_db: Database):
    data = sqlite_db.settings.data
    fresh, stray = (spool(data, [upload("a.md")])[0] for _ in range(2))
    old = time.time() - 7200
    os.utime(Path(stray.path).parent, (old, old))
    with sqlite_db.read_scope() as session:
        sweep(session, data)
    assert files(data) == [Path(fresh.path)]


def test_files_are_handed_over_under_their_own_names(tmp_path: Path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("A")
    (tmp_path / "docs" / "b.md").write_text("B")
    originals = find_sources([tmp_path / "docs"])
    handed = hand_over(tmp_path / "data", originals)
    assert [(one.name, one.root) for one in handed] == [(one.name, one.root) for one in originals]
    assert [Path(one.path).read_text() for one in handed] == ["A", "B"]
    assert sorted(Path(one.path) for one in handed) == files(tmp_path / "data")
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in files(tmp_path / "data"))


def test_a_file_that_cannot_be_read_hands_over_nothing(tmp_path: Path):
    gone = Source("a.md", str(tmp_path / "a.md"), "")
    with pytest.raises(Unavailable, match="cannot be handed"):
        hand_over(tmp_path / "data", [gone])
    assert files(tmp_path / "data") == []
    assert not list((tmp_path / "data" / uploads.FOLDER).iterdir())
