"""A completed run of many cells, written by SQL alone: a million in some seconds."""

from pathlib import Path

from sqlalchemy import text
from sqlmodel import Session

from core.canonical import content_hash
from core.database import Database
from core.migrate import migrate
from core.settings import Settings
from evalsets.models import Dataset, DatasetVersion, Run

ARMS = ("ask@1 | small", "ask@2 | small")
FILLER = "The quick brown fox jumps over the lazy dog beside the river bank. " * 4
_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :last) "


def opened(folder: Path) -> Database:
    """A migrated SQLite database of a data folder."""
    database = Database(Settings(data_dir=folder, database_url=None))
    migrate(database)
    return database


def make_run(database: Database, cells: int) -> str:
    """Its id; two arms, every cell answered by a text that says its row and arm."""
    cases = cells // len(ARMS)
    with database.session_scope("benchmark") as session:
        run = _frame(session, cases)
        given = {"last": cases - 1, "version": run.version_id, "run": run.id, "filler": FILLER}
        for statement in _statements():
            session.connection().execute(text(statement), given)
        return run.id


def _frame(session: Session, cases: int) -> Run:
    dataset = Dataset(name=f"cases-{cases}", newest=1, actor="benchmark")
    session.add(dataset)
    session.flush()
    version = DatasetVersion(
        dataset_id=dataset.id or 0, number=1, hash=content_hash([cases]), cases=cases,
        columns=["question"], actor="benchmark",
    )  # fmt: skip
    session.add(version)
    session.flush()
    arms = [{"name": name, "prompt": None, "model": None} for name in ARMS]
    total = cases * len(ARMS)
    run = Run(
        status="completed", dataset=dataset.name, dataset_version=1, version_id=version.id or 0,
        manifest={"arms": arms, "evaluators": []}, total=total, succeeded=total, imported=True,
        actor="benchmark",
    )  # fmt: skip
    session.add(run)
    session.flush()
    return run


def _statements() -> list[str]:
    arms = " UNION ALL ".join(f"SELECT {arm} AS arm" for arm in range(len(ARMS)))
    said = "'answer ' || i || ' of ' || arm || '. ' || :filler"
    return [
        _NUMBERS + "INSERT INTO cases (version_id, position, case_id, inputs, inputs_hash, tags) "
        "SELECT :version, i, 'c' || i, '{\"question\": \"number ' || i || '\"}', "
        "printf('%064d', i), '[]' FROM n",
        _NUMBERS + "INSERT INTO answers (id, request, output, estimated, created_at) "
        f"SELECT :run || '-' || i || '-' || arm, '', {said}, 0, '2026-01-01 00:00:00.000000' "
        f"FROM n, ({arms})",
        "INSERT INTO cells (run_id, number, arm, case_ref, repeat, state, answer_id, item_key, "
        "preview, cached, interrupted, attempts) "
        f"SELECT :run, c.position * {len(ARMS)} + arm, arm, c.id, 1, 'succeeded', "
        ":run || '-' || c.position || '-' || arm, printf('%s%058d', substr(:run, 1, 6), "
        f"c.position * {len(ARMS)} + arm), substr('answer ' || c.position || ' of ' || arm || "
        f"'. ' || :filler, 1, 200), 0, 0, 1 FROM cases c, ({arms}) WHERE c.version_id = :version",
    ]
