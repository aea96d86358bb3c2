"""`promptstone tune merge` from outside."""

import json
from pathlib import Path

import pytest

from core.database import Database
from core.settings import Settings
from evalsets import models as _runs  # noqa: F401
from tests.support.forked import Forking
from tests.support.shell import Shell
from tests.support.training import write_job
from tests.tuning.test_merging import job_of
from tuning import jobs
from tuning.checkpoints import seal
from tuning.folders import job_folder


@pytest.fixture
def shell(tmp_path: Path, forking: Forking) -> Shell:
    return Shell(tmp_path / "data", forking)


def test_a_training_of_all_weights_is_merged_already(shell: Shell, tmp_path: Path) -> None:
    """Its folder is told; of what has not ended, and of what is not there, why not."""
    assert "no tuning job nope" in shell.error("tune", "merge", "nope")
    data = tmp_path / "data"
    base = tmp_path / "base"
    base.mkdir()
    database = Database(Settings(data_dir=data, database_url=None))
    for name in ("one", "open"):
        folder = write_job(job_folder(data, name), base, "sft", {"kind": "full"})
        (folder / "adapter").mkdir()
        (folder / "adapter" / "config.json").write_text(json.dumps({}))
        seal(folder / "adapter")
        with database.session_scope("user:admin") as session:
            job = jobs.create(session, name, name, job_of(folder).manifest)
            job.status = "completed" if name == "one" else "failed"
    database.close()
    told = shell.json("tune", "merge", "one")
    assert told == {"job": "one", "folder": str(job_folder(data, "one") / "adapter")}
    assert shell("tune", "merge", "one").strip() == told["folder"]
    assert "open is failed" in shell.error("tune", "merge", "open")
