"""Full weights of a base and an adapter: exact where they can be, refused where not."""

import fcntl
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from core.clock import utcnow
from core.errors import Invalid, PromptstoneError, Unavailable
from tests.support.training import Forks, until, write_job
from tuning import merged, merging
from tuning.bases import hash_of
from tuning.checkpoints import verify
from tuning.environment import NAMED
from tuning.folders import job_folder
from tuning.jobs import JobPublic
from tuning.manifest import BaseRef, Manifest, RowsRef
from tuning.methods import Knobs
from tuning.spec import JobSpec

EXACT = {"lora": {"rank": 4}, "dora": {"rank": 4}, "ia3": {}, "half": {"kind": "lora", "bits": 4}}
VIRTUAL = {"prefix": {"tokens": 4}}


@pytest.fixture(scope="module")
def jobs(trainers: Forks, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of jobs with their adapters; `half` has a base in 16 bits and was trained in 4."""
    place = tmp_path_factory.mktemp("merging")
    half = Path(shutil.copytree(tiny, place / "base"))
    config = json.loads((half / "config.json").read_bytes())
    (half / "config.json").write_text(json.dumps({**config, "dtype": "bfloat16"}))
    for name, adapter in {**EXACT, **VIRTUAL}.items():
        base = half if name == "half" else tiny
        write_job(place / name, base, "sft", {"kind": name, **adapter})
    making = trainers.start(place, module="tests.support.tiny_adapters")
    assert making.wait() == 0, making.log()
    return place


def merge(trainers: Forks, folder: Path) -> tuple[int, str]:
    """As the child does it; its exit status and what it printed."""
    (folder / "trainer.log").unlink(missing_ok=True)
    child = trainers.start(folder, module="tuning.trainer.merge")
    return child.wait(), child.log()


def test_it_is_the_base_with_the_adapter(trainers: Forks, jobs: Path) -> None:
    for name in EXACT:
        code, said = merge(trainers, jobs / name)
        assert code == 0, said
        assert ("base in 4 bits" in said) is (name == "half")
        assert not (jobs / name / "merging").exists()
    comparing = trainers.start(jobs, module="tests.support.same_logits")
    assert comparing.wait() == 0, comparing.log()
    for name in EXACT:
        found = json.loads((jobs / name / "logits.json").read_text())
        assert found["adapter"] > 0.05, name
        # Sixteen bits round each weight once.
        assert found["merged"] < (found["adapter"] / 5 if name == "half" else 1e-4), name
        assert found["dtype"] == ("bfloat16" if name == "half" else "float32")
        names = {path.name for path in verify(jobs / name / "merged").path.iterdir()}
        assert {"model.safetensors", "tokenizer.json", "chat_template.jinja"} <= names


def test_merged_again_only_when_need_be(trainers: Forks, jobs: Path) -> None:
    """Whole and of this adapter: nothing is done; half or of another one: it is made anew."""
    folder = jobs / "ia3"
    merge(trainers, folder)
    weights = folder / "merged" / "model.safetensors"
    made = weights.stat().st_ino
    assert "merged already" in merge(trainers, folder)[1]
    assert weights.stat().st_ino == made
    note = folder / "merged" / "merged.json"
    for harm in (weights, note):
        harm.write_bytes(harm.read_bytes()[:-2])
        assert merged.find(folder, verify(folder / "adapter").hash) is None
        assert merge(trainers, folder)[0] == 0
        assert merged.find(folder, verify(folder / "adapter").hash) is not None
    assert merged.find(folder, "0" * 64) is None


def test_what_is_not_weights_is_refused(trainers: Forks, jobs: Path) -> None:
    code, said = merge(trainers, jobs / "prefix")
    assert (code, "virtual tokens" in said) == (3, True)
    shutil.copytree(jobs / "lora", jobs / "broken", ignore=shutil.ignore_patterns("merged"))
    weights = jobs / "broken" / "adapter" / "adapter_model.safetensors"
    weights.write_bytes(b"\x80" + weights.read_bytes())
    code, said = merge(trainers, jobs / "broken")
    assert (code, "not whole" in said) == (3, True)
    assert not (jobs / "broken" / "merged").exists()


def job_of(folder: Path, **changes: object) -> JobPublic:
    """The row that a folder's job would have."""
    spec = JobSpec.model_validate_json((folder / "spec.json").read_bytes())
    rows = RowsRef(dataset="d", version=1, dataset_hash="", rows=1, hash="")
    base = Path(spec.base)
    manifest = Manifest(
        base=BaseRef(name="base", path=str(base), hash=hash_of(base)), data=rows, evaluation=None,
        method=spec.method, adapter=spec.adapter, knobs=Knobs(), params={}, samples=(), code="1",
    )  # fmt: skip
    fields = dict.fromkeys(JobPublic._fields)
    known = {"id": folder.name, "name": folder.name, "status": "completed", "manifest": manifest}
    return JobPublic(**{**fields, **known, "created_at": utcnow(), **changes})  # pyright: ignore[reportArgumentType]


@pytest.fixture
def data(jobs: Path, tmp_path: Path) -> Path:
    """A data folder with one job that can be merged, and one that cannot."""
    for name in ("lora", "prefix"):
        ignored = shutil.ignore_patterns("merged")
        shutil.copytree(jobs / name, job_folder(tmp_path, name), ignore=ignored)
    return tmp_path


def python(data: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """In the place of the trainer's Python, one that does something else."""
    program = data / "python"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{code}' \"$@\"\n")
    program.chmod(0o755)
    monkeypatch.setenv(NAMED, str(program))


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        ('import sys; print("a\\nb", file=sys.stderr); sys.exit(3)', Invalid, "b"),
        ('import sys; sys.exit("The disk is full.")', Unavailable, "The disk is full."),
        ("import os; os.kill(os.getpid(), 9)", Unavailable, "probably out of memory"),
        ("pass", Unavailable, "not whole"),
    ],
)
def test_why_a_child_failed_is_said(
    data: Path, monkeypatch: pytest.MonkeyPatch, code: str, kind: type, reason: str
) -> None:
    python(data, monkeypatch, code)
    with pytest.raises(PromptstoneError, match=reason) as caught:
        merging.merge(data, job_of(job_folder(data, "lora")), print)
    assert type(caught.value) is kind


def test_the_child_sees_no_key_and_is_not_left(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret-of-ours")
    see = 'import os, sys; print(os.getpid(), "OPENAI_API_KEY" in os.environ, flush=True); '
    python(data, monkeypatch, see + "import time; time.sleep(100)")
    heard: list[str] = []

    def leave(text: str) -> None:
        heard.append(text)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        merging.merge(data, job_of(job_folder(data, "lora")), leave)
    pid, seen = heard[0].split()
    assert seen == "False"
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


def test_what_is_known_beforehand_starts_no_child(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python(data, monkeypatch, "open('/nowhere/at/all', 'w')")
    folder = job_folder(data, "lora")
    job = job_of(folder)
    base = job.manifest.base
    other = job.manifest.model_copy(update={"base": base.model_copy(update={"hash": "0" * 64})})
    for wrong, reason in (
        (job_of(job_folder(data, "prefix")), "PEFT backend"),
        (job._replace(status="running"), "Let it end first"),
        (job._replace(manifest=other), "another than the adapter was trained on"),
    ):
        with pytest.raises(Invalid, match=reason):
            merging.merge(data, wrong, print)
    (folder / "adapter" / "more.bin").write_bytes(b"PK\3\4")
    with pytest.raises(Invalid, match=r"more\.bin"):
        merging.merge(data, job, print)


def test_a_killed_parent_leaves_no_child(trainers: Forks, jobs: Path, tmp_path: Path) -> None:
    """The pipe to its stdin ends with whoever held it."""
    folder = Path(shutil.copytree(jobs / "lora", tmp_path / "job"))
    shutil.rmtree(folder / "merged", ignore_errors=True)
    with (folder / "merging.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        child = trainers.start(folder, module="tuning.trainer.merge")
        time.sleep(0.3)
        os.kill(child.pid, 0)
        child.hang_up()
        until(lambda: child._ended() is not None)
        assert child._ended() == -signal.SIGKILL
    assert not (folder / "merged").exists()
