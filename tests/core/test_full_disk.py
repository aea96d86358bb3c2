"""SAFETY S4: on a full disk a write fails in a sentence, what was saved stays, and it heals."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import OperationalError

import core.database
from core.database import Database
from core.drafts import load_draft, save_draft
from core.errors import Unavailable

ROOT = Path(__file__).resolve().parents[2]
LARGE = "x" * 3_000_000
MOUNTED = """
set -e
mount -t tmpfs -o size=8m tmpfs "$1"
exec "$2" -m tests.core.test_full_disk "$1/data"
"""


def saved(database: Database, ref: str, content: str) -> str:
    """Save a text; what a person would be told."""
    try:
        with database.session_scope("t") as session:
            save_draft(session, "note", ref, content)
    except Unavailable as error:
        return error.message
    return "saved"


def kept(database: Database, ref: str) -> str | None:
    with database.read_scope() as session:
        draft = load_draft(session, "t", "note", ref)
        return None if draft is None else draft.content


def sound(database: Database) -> bool:
    with database.read_scope() as session:
        return session.connection().execute(text("PRAGMA integrity_check")).scalar() == "ok"


def no_page_more(connection: Connection) -> None:
    """SQLite's own limit on a file, which it answers as it does a full disk."""
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")


def test_a_write_that_has_no_room_is_refused_and_the_rest_stays(sqlite_db: Database) -> None:
    assert saved(sqlite_db, "small", "first") == "saved"
    event.listen(sqlite_db.engine, "begin", no_page_more)
    said = saved(sqlite_db, "large", LARGE)
    assert "full" in said
    assert "Free some space" in said
    assert (kept(sqlite_db, "small"), kept(sqlite_db, "large")) == ("first", None)
    event.remove(sqlite_db.engine, "begin", no_page_more)
    with sqlite_db.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    assert saved(sqlite_db, "large", LARGE) == "saved"
    assert kept(sqlite_db, "large") == LARGE
    assert sound(sqlite_db)


def test_without_its_sentence_the_refusal_is_an_error_of_the_driver(
    sqlite_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: it is `core.database` that makes the sentence."""
    monkeypatch.setattr(core.database, "_TROUBLE", {})
    event.listen(sqlite_db.engine, "begin", no_page_more)
    with pytest.raises(OperationalError, match="full"):
        saved(sqlite_db, "large", LARGE)


def test_a_real_disk_fills_and_is_freed(tmp_path: Path) -> None:
    """On a file system of 8 MB that a mount of our own makes, where this machine allows it."""
    inside = ["unshare", "-m", "sh", "-c", MOUNTED, "sh", str(tmp_path), sys.executable]
    try:
        done = subprocess.run(inside, cwd=ROOT, capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("unshare is missing")
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip("this user may mount nothing")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["before"] == "saved"  # the control: the same text, while there is room
    assert "Free some space" in found["full"] or "free space" in found["full"]
    assert found["kept"] == ["first", "x" * 100_000, None]
    assert found["again"] == "saved"
    assert found["sound"] is True


def fill(data: Path) -> None:
    """What runs in the small file system: save, fill it, fail, free it, save."""
    from core.migrate import migrate
    from core.settings import Settings

    database = Database(Settings(data_dir=data, database_url=None))
    migrate(database)
    text_of = "x" * 100_000
    found: dict[str, object] = {"small": saved(database, "small", "first")}
    found["before"] = saved(database, "room", text_of)
    ballast = data.parent / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
    found["full"] = saved(database, "full", text_of)
    found["kept"] = [kept(database, ref) for ref in ("small", "room", "full")]
    ballast.unlink()
    found["again"] = saved(database, "full", text_of)
    found["sound"] = sound(database)
    print(json.dumps(found))


if __name__ == "__main__":
    fill(Path(sys.argv[1]))
