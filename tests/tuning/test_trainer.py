"""Small trainings by the real trainer: every method, every adapter, and what it refuses."""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.training import ROWS, Forks, Trainer, asked, events, said, told, write_job
from tuning.checkpoints import verify
from tuning.spec import REFERENCE, Ended, Failed, Reference

ADAPTERS: dict[str, dict[str, Any]] = {
    "lora": {"rank": 4},
    "dora": {"rank": 4},
    "ia3": {},
    "prefix": {"tokens": 4},
    "prompt": {"tokens": 4},
    "p_tuning": {"tokens": 4},
    "full": {},
}
JOBS = [
    *(("sft", adapter) for adapter in ADAPTERS),
    ("dpo", "lora"), ("dpo", "full"), ("kto", "lora"), ("reward", "lora"),
]  # fmt: skip


@pytest.fixture(scope="module")
def jobs(
    trainers: Forks, tiny: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], Trainer]:
    """All of them, trained two at a time."""
    place = tmp_path_factory.mktemp("jobs")
    found: dict[tuple[str, str], Trainer] = {}
    open_jobs: list[Trainer] = []
    for method, kind in JOBS:
        adapter = {"kind": kind, **ADAPTERS[kind]}
        folder = write_job(
            place / f"{method}-{kind}",
            tiny,
            method,
            adapter,
            samples=[asked(3)],
            parity=[asked(3), asked(5)],
        )
        if len(open_jobs) == 2:
            open_jobs.pop(0).wait()
        found[method, kind] = trainers.start(folder)
        open_jobs.append(found[method, kind])
    for job in open_jobs:
        job.wait()
    return found


@pytest.mark.parametrize(("method", "kind"), JOBS)
def test_it_learns_and_leaves_a_sealed_adapter(
    jobs: dict[tuple[str, str], Trainer], method: str, kind: str
) -> None:
    job = jobs[method, kind]
    assert job.wait() == 0, job.log()
    (started,) = told(job.folder, "started")
    assert (started.step, started.steps, started.device) == (0, 8, "cpu")
    assert (started.trainable == started.parameters) is (kind == "full")
    assert [event.step for event in told(job.folder, "step")] == list(range(1, 9))
    first, last = told(job.folder, "eval")
    assert last.loss < first.loss
    assert [event.name for event in told(job.folder, "checkpoint")] == ["4"]
    assert len(told(job.folder, "sample")) == (0 if method == "reward" else 2)
    ended = events(job.folder)[-1]
    assert isinstance(ended, Ended)
    assert ended.adapter_hash == verify(job.folder / "adapter").hash
    assert ended.tokens > 0
    assert ended.padding is not None
    flat = method == "sft" and kind not in ("prefix", "prompt", "p_tuning")
    assert (ended.padding == 0) is flat


@pytest.mark.parametrize("kind", ADAPTERS)
def test_what_it_answers_when_it_is_ready_stands_beside_the_weights(
    jobs: dict[tuple[str, str], Trainer], kind: str
) -> None:
    job = jobs["sft", kind]
    assert job.wait() == 0, job.log()
    found = Reference.model_validate_json((job.folder / "adapter" / REFERENCE).read_bytes())
    assert [one.messages for one in found.answers] == [asked(3), asked(5)]
    for one in found.answers:
        assert one.prompt_ids != ()
        assert 0 < len(one.answer_ids) <= 32
        assert len(one.margins) == len(one.answer_ids)
        assert min(one.margins) >= 0
    assert len(found.end_ids) >= 1


def test_an_adapter_is_pefts_own(jobs: dict[tuple[str, str], Trainer]) -> None:
    kinds = {"lora": "LORA", "ia3": "IA3", "prefix": "PREFIX_TUNING", "p_tuning": "P_TUNING"}
    for kind, name in kinds.items():
        config = jobs["sft", kind].folder / "adapter" / "adapter_config.json"
        assert json.loads(config.read_text())["peft_type"] == name
    whole = jobs["sft", "full"].folder / "adapter"
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {
        path.name for path in whole.iterdir()
    }


def test_rows_end_to_end_do_not_see_each_other(
    trainers: Forks, jobs: dict[tuple[str, str], Trainer], tiny: Path, tmp_path: Path
) -> None:
    """Laid end to end they teach just what they teach with padding."""
    padded = write_job(
        tmp_path / "padded", tiny, "sft", {"kind": "lora", "rank": 4},
        params={"padding_free": False},
    )  # fmt: skip
    assert trainers.run(padded) == 0
    flat = told(jobs["sft", "lora"].folder, "step")
    assert [event.loss for event in told(padded, "step")] == pytest.approx(
        [event.loss for event in flat], rel=1e-5
    )
    assert events(padded)[-1].padding > 0


@pytest.mark.parametrize("kind", ["lora", "ia3", "prompt"])
def test_it_learns_in_sixteen_bits(trainers: Forks, tiny: Path, tmp_path: Path, kind: str) -> None:
    folder = write_job(
        tmp_path / "job", tiny, "sft", {"kind": kind, **ADAPTERS[kind]}, params={"bf16": True},
        samples=[asked(3)],
    )  # fmt: skip
    assert trainers.run(folder) == 0
    first, last = told(folder, "eval")
    assert last.loss < first.loss


@pytest.mark.parametrize("kind", ["sft", "reward"])
def test_four_bits_run_or_say_why_not(
    trainers: Forks, tiny: Path, tmp_path: Path, kind: str
) -> None:
    adapter = {"kind": "lora", "rank": 4, "bits": 4}
    folder = write_job(tmp_path / "job", tiny, kind, adapter)
    if trainers.run(folder):
        assert "Set `bits` to 16" in str(events(folder)[-1])
    else:
        first, last = told(folder, "eval")
        assert last.loss < first.loss


def test_rows_that_trl_packs_or_leaves_out_are_no_trouble(
    trainers: Forks, tiny: Path, tmp_path: Path
) -> None:
    packed = write_job(tmp_path / "packed", tiny, "sft", {"kind": "full"}, params={"packing": True})
    padded = write_job(
        tmp_path / "padded", tiny, "sft", {"kind": "lora"}, params={"padding_free": False}
    )
    long = [{**row, "prompt": asked(n) * (1 if n % 3 else 9)} for n, row in enumerate(ROWS["dpo"])]
    pairs = write_job(tmp_path / "pairs", tiny, "dpo", {"kind": "full"}, rows=long)
    for folder in (packed, padded, pairs):
        assert trainers.run(folder) == 0


def test_early_stop_takes_the_best_step(trainers: Forks, tiny: Path, tmp_path: Path) -> None:
    """At a rate of nearly nothing no evaluation gains."""
    knobs = {"learning_rate": 1e-30, "epochs": 20, "patience": 2}
    folder = write_job(
        tmp_path / "job", tiny, "sft", {"kind": "full"}, knobs=knobs, evaluate_every=2
    )
    assert trainers.run(folder) == 0
    ended = events(folder)[-1]
    assert isinstance(ended, Ended)
    assert ended.early
    assert ended.step == 6


def refusal(trainers: Forks, folder: Path) -> str:
    """Why a job failed, which it tells as its last event."""
    job = trainers.start(folder)
    assert job.wait() == 1, job.log()
    failed = events(folder)[-1]
    assert isinstance(failed, Failed)
    assert not (folder / "adapter").exists()
    return failed.reason


def test_a_loss_that_is_no_number_is_never_saved(
    trainers: Forks, tiny: Path, tmp_path: Path
) -> None:
    base = tmp_path / "broken"
    shutil.copytree(tiny, base)
    weights = base / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-400:] = np.full(100, np.nan, dtype="<f4").tobytes()
    weights.write_bytes(data)
    folder = write_job(
        tmp_path / "job", base, "sft", {"kind": "lora", "rank": 4}, checkpoint_every=1
    )
    assert "no number any more at step 1" in refusal(trainers, folder)
    assert not (folder / "checkpoints").exists()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"extra": 1}, "spec.json cannot be used (extra"),
        ({"rows_hash": "0" * 64}, "rows.jsonl is not what the job was started with"),
        ({"base": "/nowhere"}, "There is no base nowhere"),
        ({"params": {"output_dir": "/tmp"}}, "output_dir belongs to the job"),
        ({"params": {"trust_remote_code": True}}, "trust_remote_code belongs to the job"),
        ({"params": {"warmup": 1}}, "warmup is no parameter of TRL's SFTConfig"),
        ({"rows": [{"messages": asked(1)}]}, "Line 1 of rows.jsonl has no answer"),
        ({"rows": [{"messages": "hello"}]}, "messages in line 1 of rows.jsonl is not a list"),
        ({"rows": []}, "rows.jsonl has no rows"),
        ({"knobs": {"batch": None}}, "spec.json leaves batch open"),
        ({"knobs": {"max_length": 16}}, "No row has an answer within max_length"),
    ],
)
def test_a_job_that_cannot_be_is_refused_in_a_sentence(
    trainers: Forks, tiny: Path, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    folder = write_job(tmp_path / "job", tiny, "sft", {"kind": "lora"}, **changes)
    assert reason in refusal(trainers, folder)


@pytest.mark.parametrize("method", ["dpo", "kto", "reward"])
def test_prompts_that_leave_no_room_are_said(
    trainers: Forks, tiny: Path, tmp_path: Path, method: str
) -> None:
    folder = write_job(tmp_path / "job", tiny, method, {"kind": "lora"}, knobs={"max_length": 16})
    assert "No row has a prompt shorter than max_length" in refusal(trainers, folder)


class Harm:
    """What a pickle would run."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return open, (str(self.place), "w")


def test_a_base_is_read_and_never_run(trainers: Forks, tiny: Path, tmp_path: Path) -> None:
    """Code of its own, pickled weights under any name, a template that reaches for more."""
    executed = tmp_path / "executed"

    def base(name: str) -> Path:
        return Path(shutil.copytree(tiny, tmp_path / name))

    own = base("own")
    config = json.loads((own / "config.json").read_text())
    (own / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoConfig": "x.Y"}}))
    disguised = base("disguised")
    (disguised / "model.safetensors").write_bytes(pickle.dumps(Harm(executed)))
    plain = base("plain")
    (plain / "model.safetensors").unlink()
    (plain / "pytorch_model.bin").write_bytes(pickle.dumps(Harm(executed)))
    escape = base("escape")
    (escape / "chat_template.jinja").write_text(
        "{{ cycler.__init__.__globals__.os.popen('touch " + str(executed) + "').read() }}"
    )
    reasons = {
        path.name: refusal(trainers, write_job(tmp_path / f"job-{path.name}", path, "sft",
                                               {"kind": "lora"}))
        for path in (own, disguised, plain, escape)
    }  # fmt: skip
    assert "auto_map" in reasons["own"]
    assert "model.safetensors is not a safetensors" in reasons["disguised"]
    assert "pytorch_model.bin is a pickle" in reasons["plain"]
    assert "chat template" in reasons["escape"]
    assert not executed.exists()


def test_too_little_time_or_memory_is_said(trainers: Forks, tiny: Path, tmp_path: Path) -> None:
    slow = write_job(
        tmp_path / "slow", tiny, "sft", {"kind": "lora"}, knobs={"steps": 100_000},
        most_seconds=0.3,
    )  # fmt: skip
    assert "took longer than the 0.3 s" in refusal(trainers, slow)
    assert told(slow, "checkpoint")
    # Rows end to end see each other in a mask of all pairs: 10 GB for these.
    long = [{"messages": asked(n) + said("zebra " * 4000)} for n in range(4)]
    large = write_job(
        tmp_path / "large", tiny, "sft", {"kind": "lora"}, rows=long, memory_gb=3,
        knobs={"max_length": 25_000}, params={"per_device_train_batch_size": 4},
    )  # fmt: skip
    assert "memory is used up" in refusal(trainers, large)
