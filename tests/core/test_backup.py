"""A backup is one state, goes from either engine to either engine, and never half-arrives."""

import json
import random
import resource
import threading
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import text
from sqlmodel import Session

import app.tables  # noqa: F401
from connectors.models import Generation, Model
from core import audit, portable
from core.backup import backup, contents, restore
from core.database import Database
from core.errors import Conflict, Invalid
from core.models import Setting
from core.secrets import open_secret, seal
from core.settings import Settings
from core.users import ensure_admin
from core.workspace_settings import INSTALLATION, get_setting
from prompts.models import Prompt, PromptVersion
from tests.support.depth import DEEP


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An unmigrated database elsewhere."""
    url = None
    if request.param == "postgresql":
        server, name = request.getfixturevalue("postgres_url"), f"t{uuid4().hex}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        url = urlsplit(server)._replace(path=f"/{name}").geturl()
    database = Database(Settings(data_dir=tmp_path / "elsewhere", database_url=url))
    yield database
    database.close()


def _fill(session: Session, key: Path) -> str:
    ensure_admin(session)
    prompt = Prompt(name="新闻/摘要", actor="user:admin", tags=["a", "b"])
    session.add(prompt)
    session.flush()
    session.add(
        PromptVersion(
            prompt_id=prompt.id or 0, number=1, hash="0" * 64, actor="user:admin",
            content={"n": 1.0, "i": 1, "s": "\u2028 “é” \\u0000"}, message="NUL \x00 and \ue000",
        )
    )  # fmt: skip
    session.add(Model(name="m", settings={}, actor="a"))
    session.add(
        Generation(actor="a", model="m", request={}, output="x\x00y", cost=Decimal("0.000000123"))
    )
    session.add(Setting(key="null", value=None))
    secret = seal(session, "api.example:443", "sk-canary", key)
    session.flush()
    session.connection().execute(text("UPDATE models SET last_test = NULL"))
    return secret


def test_everything_arrives_on_either_engine(db: Database, empty: Database, tmp_path: Path):
    with db.session_scope("user:admin") as session:
        secret = _fill(session, db.settings.key_path)
    file = tmp_path / "b.zip"
    note = backup(db, file, version="1", with_key=True)
    assert restore(empty, file) == note
    assert contents(empty) == contents(db) == note.tables
    assert note.rows > 7
    with empty.read_scope() as session:
        assert audit.verify(session) is None
        assert session.connection().execute(
            text("SELECT last_test IS NULL FROM models")
        ).scalar() in (1, True)
        assert open_secret(session, secret, "api.example:443", empty.settings.key_path) == (
            "sk-canary"
        )
    with empty.session_scope("user:admin") as session:
        audit.record(session, "after", "restore", {})
        session.add(Prompt(name="next", actor="a"))
    assert empty.settings.key_path.stat().st_mode & 0o777 == 0o600


def test_keys_stay_out_unless_asked_for(sqlite_db: Database, tmp_path: Path):
    with sqlite_db.session_scope("user:admin") as session:
        _fill(session, sqlite_db.settings.key_path)
    backup(sqlite_db, tmp_path / "b.zip", version="1")
    key = sqlite_db.settings.key_path.read_bytes()
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        whole = b"".join(archive.read(name) for name in archive.namelist())
        assert "secret.key" not in archive.namelist()
    assert key not in whole
    assert b"sk-canary" not in whole


def test_a_copy_does_not_take_itself_for_the_original(
    sqlite_db: Database, empty: Database, tmp_path: Path
):
    with sqlite_db.session_scope("user:admin") as session:
        session.add(Setting(key=INSTALLATION, value="one"))
        session.add(Setting(key="other", value="two"))
    backup(sqlite_db, tmp_path / "b.zip", version="1")
    restore(empty, tmp_path / "b.zip")
    with empty.read_scope() as session:
        assert (get_setting(session, INSTALLATION), get_setting(session, "other")) == (None, "two")


def test_a_backup_under_load_is_one_state(db: Database, empty: Database, tmp_path: Path):
    """Each write adds one row to two tables: a backup between them would count them unequal."""
    stop = threading.Event()
    written = [0]

    def write() -> None:
        while not stop.is_set():
            with db.session_scope("writer") as session:
                number = written[0]
                session.add(Setting(key=f"k{number}", value=number))
                session.add(Prompt(name=f"p{number}", actor="w"))
            written[0] += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        while written[0] < 20:
            pass
        note = backup(db, tmp_path / "b.zip", version="1")
    finally:
        stop.set()
        thread.join()
    rows = {table.name: table.rows for table in note.tables}
    assert 20 <= rows["settings"] == rows["prompts"]
    restore(empty, tmp_path / "b.zip")
    assert contents(empty) == note.tables


def test_restore_takes_only_an_empty_place(sqlite_db: Database, tmp_path: Path):
    backup(sqlite_db, tmp_path / "b.zip", version="1")
    before = contents(sqlite_db)
    with pytest.raises(Conflict, match="empty folder"):
        restore(sqlite_db, tmp_path / "b.zip")
    assert contents(sqlite_db) == before


def test_a_damaged_backup_leaves_nothing(sqlite_db: Database, empty: Database, tmp_path: Path):
    with sqlite_db.session_scope("user:admin") as session:
        _fill(session, sqlite_db.settings.key_path)
    whole = tmp_path / "b.zip"
    backup(sqlite_db, whole, version="1")
    changed = tmp_path / "changed.zip"
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "prompts.jsonl":
                data = data.replace(b"admin", b"mallo")
            target.writestr(name, data)
    with pytest.raises(Invalid, match="prompts does not match"):
        restore(empty, changed)
    cut = tmp_path / "cut.zip"
    cut.write_bytes(whole.read_bytes()[:-200])
    (tmp_path / "text.zip").write_text("no zip")
    for file in (cut, tmp_path / "text.zip", tmp_path / "missing.zip"):
        with pytest.raises(Invalid):
            restore(empty, file)
    restore(empty, whole)
    assert contents(empty) == contents(sqlite_db)


def test_no_flipped_byte_changes_a_row(sqlite_db: Database, tmp_path: Path):
    with sqlite_db.session_scope("user:admin") as session:
        _fill(session, sqlite_db.settings.key_path)
    backup(sqlite_db, tmp_path / "b.zip", version="1")
    whole, rows = (tmp_path / "b.zip").read_bytes(), contents(sqlite_db)
    chance, refused = random.Random(7), 0
    times = 200 if DEEP else 20
    for number in range(times):
        flipped = bytearray(whole)
        flipped[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        (tmp_path / "flipped.zip").write_bytes(flipped)
        database = Database(Settings(data_dir=tmp_path / f"d{number}", database_url=None))
        try:
            restore(database, tmp_path / "flipped.zip")
            assert contents(database) == rows
        except Invalid:
            refused += 1
        finally:
            database.close()
    assert refused > times / 4


def test_a_newer_backup_is_refused(sqlite_db: Database, empty: Database, tmp_path: Path):
    backup(sqlite_db, tmp_path / "b.zip", version="1")
    with zipfile.ZipFile(tmp_path / "b.zip") as source:
        note = json.loads(source.read("manifest.json"))
    note["revision"] = "9999"
    with zipfile.ZipFile(tmp_path / "n.zip", "w") as target:
        target.writestr("manifest.json", json.dumps(note))
    with pytest.raises(Invalid, match="newer"):
        restore(empty, tmp_path / "n.zip")


def test_a_failed_backup_keeps_the_old_file(sqlite_db: Database, tmp_path: Path):
    file = tmp_path / "b.zip"
    file.write_text("the old one")
    with sqlite_db.exclusive_connection() as connection:
        connection.execute(text("CREATE TABLE stranger (a INTEGER)"))
    with pytest.raises(Invalid, match="stranger"):
        backup(sqlite_db, file, version="1")
    assert file.read_text() == "the old one"
    assert list(tmp_path.glob(".b.zip*")) == []


@pytest.mark.parametrize("member", ["manifest.json", "prompts.jsonl"])
def test_a_bomb_is_no_backup(
    sqlite_db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, member: str
) -> None:
    """A member that unpacks to far more than a row or a manifest may have."""
    monkeypatch.setattr(portable, "MOST_LINE", 1 << 20)
    good, bomb = tmp_path / "good.zip", tmp_path / "bomb.zip"
    backup(sqlite_db, good, version="1")
    with zipfile.ZipFile(good) as old, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, b"[" * (64 << 20) if name == member else old.read(name))
    assert bomb.stat().st_size < 1 << 20
    elsewhere = Database(Settings(data_dir=tmp_path / "elsewhere", database_url=None))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(Invalid, match=r"no row|no backup"):
        restore(elsewhere, bomb)
    elsewhere.close()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 100 * 1024, "64 MiB of the test's own, and little more"
    restore(Database(Settings(data_dir=tmp_path / "again", database_url=None)), good)
