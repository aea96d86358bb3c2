"""Many processes on one SQLite file."""

import subprocess
import sys
from pathlib import Path

from core.database import Database
from core.drafts import load_draft
from tests.support.depth import DEEP

SECONDS = 60 if DEEP else 4
WRITER = """
import sys, time
from core.database import Database
from core.drafts import save_draft
from core.settings import Settings
database = Database(Settings(data_dir=sys.argv[1], database_url=None))
until = time.monotonic() + float(sys.argv[3])
written = 0
while time.monotonic() < until:
    with database.session_scope(f"w{sys.argv[2]}") as session:
        save_draft(session, "count", "x", str(written + 1))
    written += 1
print(written)
"""


def test_eight_tight_writers_never_meet_a_locked_database(sqlite_db: Database) -> None:
    data = sqlite_db.settings.data
    command = [sys.executable, "-c", WRITER, str(data)]
    children = [
        subprocess.Popen(
            [*command, str(number), str(SECONDS)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for number in range(8)
    ]
    ends = [child.communicate() for child in children]
    assert [error.decode() for _, error in ends] == [""] * 8
    with sqlite_db.read_scope() as session:
        for number, (out, _) in enumerate(ends):
            draft = load_draft(session, f"w{number}", "count", "x")
            assert draft is not None
            assert draft.content == out.decode().strip()
    assert (Path(data) / "promptstone.db-wal").stat().st_size < 64 * 2**20
