"""Units of work, on both engines."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from core import audit, drafts, jobs, secrets, users
from core.database import Database, check_local_filesystem, check_sqlite_version
from core.errors import Invalid, LostLease, Unauthorized, Unavailable
from core.models import Draft, Setting


def test_commits_at_the_end_and_rolls_back_on_an_error(db: Database) -> None:
    with db.session_scope("user:a") as session:
        drafts.save_draft(session, "prompt", "x", "kept\x00 text")
    with pytest.raises(RuntimeError), db.session_scope("user:a") as session:
        drafts.save_draft(session, "prompt", "x", "lost")
        raise RuntimeError
    with db.read_scope() as session:
        draft = drafts.load_draft(session, "user:a", "prompt", "x")
    assert draft is not None
    assert draft.content == "kept\x00 text"


def test_a_read_scope_cannot_write(db: Database) -> None:
    with db.read_scope() as session, pytest.raises(Exception, match=r"(?i)read.?only"):
        session.add(Draft(actor="a", kind="k", ref="r", content="c"))
        session.flush()


def test_pragmas_of_every_pooled_connection(sqlite_db: Database) -> None:
    for engine in (sqlite_db.engine, sqlite_db.reader):
        connections = [engine.connect() for _ in range(20 if engine is sqlite_db.reader else 1)]
        for connection in connections:
            read = {
                name: connection.execute(text(f"PRAGMA {name}")).scalar()
                for name in (
                    "journal_mode",
                    "synchronous",
                    "foreign_keys",
                    "busy_timeout",
                    "mmap_size",
                )
            }
            assert read["journal_mode"] == "wal"
            assert (read["synchronous"], read["foreign_keys"]) == (2, 1)
            assert read["busy_timeout"] >= 5000
            assert not read["mmap_size"]
        for connection in connections:
            connection.close()


@pytest.mark.parametrize("version", [(3, 40, 1), (3, 51, 2), (3, 50, 6), (3, 44, 5), (3, 46, 0)])
def test_an_affected_sqlite_is_refused(version: tuple[int, int, int]) -> None:
    with pytest.raises(Unavailable, match="make setup"):
        check_sqlite_version(version)


@pytest.mark.parametrize("version", [(3, 51, 3), (3, 53, 4), (3, 50, 7), (3, 44, 6)])
def test_a_sound_sqlite_is_taken(version: tuple[int, int, int]) -> None:
    check_sqlite_version(version)


def test_a_network_file_system_is_refused() -> None:
    mounts = "/dev/vda / ext4 rw 0 0\nserver:/x /mnt/nfs nfs4 rw 0 0\n"
    check_local_filesystem(Path("/home/x"), mounts)
    with pytest.raises(Unavailable, match="nfs4"):
        check_local_filesystem(Path("/mnt/nfs/data"), mounts)


def test_a_stale_owner_is_fenced_off(db: Database) -> None:
    with db.session_scope("cli:x") as session:
        jobs.enqueue(session, "run", "r1")
        first = jobs.claim(session, "run", "one")
        assert first is not None
        assert jobs.claim(session, "run", "two") is None
        second = jobs.claim(session, "run", "two", dead=True)
        assert second is not None
        with pytest.raises(LostLease):
            jobs.check_fence(session, first)
        jobs.check_fence(session, second)
        jobs.finish(session, second)
    with db.session_scope("cli:x") as session, pytest.raises(LostLease):
        jobs.renew(session, second)


def test_a_sign_in_link_works_once(db: Database) -> None:
    with db.session_scope("system") as session:
        users.ensure_admin(session)
        token = users.make_link_token(session, "admin")
    with db.session_scope("system") as session:
        cookie = users.redeem(session, token)
    with db.session_scope("system") as session, pytest.raises(Unauthorized):
        users.redeem(session, token)
    with db.read_scope() as session:
        user = users.session_user(session, cookie)
        assert user is not None
        assert user.name == "admin"
        assert users.session_user(session, token) is None


def test_the_audit_names_a_changed_and_a_removed_row(db: Database) -> None:
    with db.session_scope("user:a") as session:
        for number in range(4):
            audit.record(session, "x.do", f"o{number}", {"n": number})
    with db.read_scope() as session:
        assert audit.verify(session) is None
    with db.session_scope("mallory") as session:
        session.execute(text("UPDATE audit SET actor = 'other' WHERE id = 2"))
    with db.read_scope() as session:
        broken = audit.verify(session)
        assert broken is not None
        assert broken.id == 2
    with db.session_scope("mallory") as session:
        session.execute(text("UPDATE audit SET actor = 'user:a' WHERE id = 2"))
        session.execute(text("DELETE FROM audit WHERE id = 3"))
    with db.read_scope() as session:
        broken = audit.verify(session)
        assert broken is not None
        assert broken.id == 4


def test_sealed_keys_open_only_for_their_host_and_row(db: Database) -> None:
    path = db.settings.key_path
    with db.session_scope("user:a") as session:
        one = secrets.seal(session, "a.example:443", "canary-one", path)
        two = secrets.seal(session, "b.example:443", "canary-two", path)
    assert path.stat().st_mode & 0o777 == 0o600
    with db.read_scope() as session:
        assert secrets.open_secret(session, one, "a.example:443", path) == "canary-one"
        with pytest.raises(Invalid):
            secrets.open_secret(session, one, "b.example:443", path)
    with db.session_scope("mallory") as session:
        session.execute(
            text(
                "UPDATE secrets SET sealed = (SELECT sealed FROM secrets WHERE id = :b) WHERE id = :a"
            ),
            {"a": one, "b": two},
        )
    with db.read_scope() as session, pytest.raises(Unavailable):
        secrets.open_secret(session, one, "a.example:443", path)


def test_a_missing_or_wrong_key_file_is_refused(sqlite_db: Database) -> None:
    path = sqlite_db.settings.key_path
    with sqlite_db.session_scope("user:a") as session:
        secrets.seal(session, "a.example:443", "canary", path)
    path.rename(path.with_suffix(".away"))
    with sqlite_db.read_scope() as session, pytest.raises(Unavailable, match="missing"):
        secrets.check_key(session, path)
    path.write_bytes(b"x" * 32)
    with sqlite_db.read_scope() as session, pytest.raises(Unavailable, match="does not open"):
        secrets.check_key(session, path)


def test_threads_do_not_meet_a_locked_database(sqlite_db: Database) -> None:
    failures: list[BaseException] = []

    def write(number: int) -> None:
        try:
            for turn in range(20):
                with sqlite_db.session_scope(f"t{number}") as session:
                    drafts.save_draft(session, "k", str(turn), "x")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.parametrize("value", [0, 7, 1.5, -3e300, True, None, "7", "", [1], {"a": 1}])
def test_every_json_value_is_read_back_as_it_was(db: Database, value: object):
    with db.session_scope("user:test") as session:
        session.add(Setting(key="k", value=value))
    with db.read_scope() as session:
        found = session.get_one(Setting, "k").value
    assert (found, type(found)) == (value, type(value))
