"""A training from its rows to its adapter: queued, killed on the way, resumed, ended."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from core.database import Database
from core.errors import Conflict, Invalid
from evalsets.datasets.edits import typed_cases
from evalsets.datasets.service import push
from prompts.chat_template import check_chat_template
from tests.support.running import ACTOR
from tests.support.training import ROOT, asked, until
from tuning import jobs
from tuning.checkpoints import verify
from tuning.folders import adapter_folder
from tuning.owner import next_job, own_and_run, trainer_environment
from tuning.report import document
from tuning.request import settings_of
from tuning.service import TuneRequest, start


def add_rows(db: Database, name: str = "codes", expected: str = "zebra") -> None:
    rows: list[dict[str, Any]] = [
        {
            "id": f"r{n}", "messages": asked(n), "expected": f"{expected} {n}",
            "split": "dev" if n % 8 == 0 else "train",
        }
        for n in range(16)
    ]  # fmt: skip
    with db.session_scope(ACTOR) as session:
        push(session, name, typed_cases(rows))


def begin(db: Database, base: str, name: str = "one", steps: int = 12, **changes: Any) -> str:
    given = {"learning_rate": 0.02, "batch": 4, "steps": steps, "max_length": 128}
    settings = settings_of("sft", "lora", given)
    request = TuneRequest(name, base, "codes", None, *settings, **changes)
    return start(db, ACTOR, request, check_chat_template)


def status(db: Database, name: str = "one") -> jobs.JobPublic:
    with db.read_scope() as session:
        return jobs.get(session, db.settings.data, name)


def trainers_of(folder: Path) -> list[int]:
    """Processes of a job."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"tuning.trainer" in line and str(folder).encode() in line:
                found.append(int(entry.name))
    return found


_OWNER = """
import sys, threading
from pathlib import Path
import app.tables
from app.opening import open_database
from core.settings import load_settings
from tuning.owner import own_and_run
own_and_run(open_database(load_settings(Path(sys.argv[1]))), sys.argv[2], threading.Event())
"""


def test_the_death_of_its_server_is_seen_and_the_next_one_goes_on(
    sqlite_db: Database, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuning.service.CHECKPOINTS", 3)
    db, steps = sqlite_db, 300
    add_rows(db)
    job_id = begin(db, str(tiny), steps=steps)
    assert (status(db).status, status(db).place) == ("queued", 1)
    folder = adapter_folder(db.settings.data, job_id).parent
    server = subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(db.settings.data), job_id], cwd=ROOT
    )
    until(lambda: status(db).checkpoint is not None)
    assert status(db).status == "running"
    server.kill()
    server.wait()
    until(lambda: trainers_of(folder) == [], 10, "an orphan goes on")
    assert status(db).status == "interrupted"
    assert next_job(db) == job_id, "the next server goes on unasked"
    assert own_and_run(db, job_id, threading.Event()) == "completed"
    assert trainers_of(folder) == []
    with db.read_scope() as session:
        told = document(session, status(db))
    assert (told["status"], told["step"], told["steps"]) == ("completed", steps, steps)
    assert told["adapter_hash"] == verify(adapter_folder(db.settings.data, job_id)).hash
    assert told["loss"][-1][1] < told["loss"][0][1]
    assert told["eval_loss"] is not None
    with db.session_scope(ACTOR) as session, pytest.raises(Conflict, match="completed"):
        jobs.ask(session, "one", "cancel")


@pytest.mark.parametrize(
    ("does", "ends", "says"),
    [
        ("kill -9 $$", "interrupted", "out of memory"),
        ("kill -15 $$", "interrupted", "Terminated"),
        ("echo broken >&2; exit 3", "failed", "ended with code 3"),
        ("sleep 60 & echo", "failed", "ended with code 0"),
    ],
)
def test_a_trainer_that_ends_otherwise_is_told_and_may_be_resumed(
    sqlite_db: Database, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    does: str, ends: str, says: str,
) -> None:  # fmt: skip
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PROMPTSTONE_TUNING_PYTHON", str(program))
    add_rows(sqlite_db)
    job_id = begin(sqlite_db, str(tiny))
    assert own_and_run(sqlite_db, job_id, threading.Event()) == ends
    found = status(sqlite_db)
    assert found.reason is not None
    assert says in found.reason
    assert "resume" in found.reason
    assert next_job(sqlite_db) is None, "it is not begun again by itself"
    with sqlite_db.session_scope(ACTOR) as session:
        jobs.resume(session, "one")
    assert status(sqlite_db).status == "queued"


def test_a_queued_training_is_cancelled_and_its_name_stays_taken(
    sqlite_db: Database, tiny: Path
) -> None:
    add_rows(sqlite_db)
    job_id = begin(sqlite_db, str(tiny))
    with sqlite_db.session_scope(ACTOR) as session:
        assert jobs.ask(session, "one", "cancel") == "cancelled"
    assert own_and_run(sqlite_db, job_id, threading.Event()) is None
    before = sorted((sqlite_db.settings.data / "tuning").iterdir())
    with pytest.raises(Conflict, match="already"):
        begin(sqlite_db, str(tiny))
    assert sorted((sqlite_db.settings.data / "tuning").iterdir()) == before, "nothing is left"


def test_rows_that_give_held_out_cases_away_are_refused(sqlite_db: Database, tiny: Path) -> None:
    add_rows(sqlite_db)
    rows = [{"id": "h", "messages": asked(3), "expected": "zebra 3", "split": "test"}]
    with sqlite_db.session_scope(ACTOR) as session:
        push(session, "exam", typed_cases(rows))
    with pytest.raises(Invalid, match="held out"):
        begin(sqlite_db, str(tiny))


def test_parameters_go_where_their_names_are_known() -> None:
    asked_for = settings_of("dpo", "lora", {"beta": 0.3, "rank": 4, "epochs": 2, "warmup_ratio": 1})
    assert asked_for.method.model_dump() == {"kind": "dpo", "beta": 0.3}
    assert asked_for.adapter.model_dump()["rank"] == 4
    assert (asked_for.knobs.epochs, asked_for.params) == (2, {"warmup_ratio": 1})
    for wrong in ({"rank": 0}, {"beta": -1}, {"epochs": "many"}):
        with pytest.raises(Invalid, match=next(iter(wrong))):
            settings_of("dpo", "lora", wrong)


def test_the_trainer_sees_no_key_and_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary")
    monkeypatch.setenv("PROMPTSTONE_DATABASE_URL", "canary")
    assert "canary" not in trainer_environment().values()
    assert os.environ["OPENAI_API_KEY"] == "canary"
