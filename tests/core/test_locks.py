"""Locks that the kernel frees."""

import subprocess
import sys
from pathlib import Path

from core.locks import FileLock, holder_note, shared_lock

HOLD = (
    "import sys, time; from pathlib import Path; from core.locks import FileLock;"
    "lock = FileLock(Path(sys.argv[1])); assert lock.try_acquire('me'); print('held', flush=True);"
    "time.sleep(60)"
)


def test_a_killed_holder_frees_the_lock_at_once(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        mine = FileLock(path)
        assert not mine.try_acquire()
        assert holder_note(path) == "me"
        child.kill()
        child.wait()
        assert mine.try_acquire("mine")
        assert holder_note(path) == "mine"
    mine.release()
    assert holder_note(path) is None


def test_readers_of_the_note_do_not_steal(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "x.lock")
    for _ in range(50):
        assert holder_note(lock.path) is None
        assert lock.try_acquire("n")
        lock.release()


def test_shared_users_keep_the_exclusive_one_out(tmp_path: Path) -> None:
    path = tmp_path / "users.lock"
    with shared_lock(path), shared_lock(path):
        assert not FileLock(path).try_acquire()
    assert FileLock(path).try_acquire()
