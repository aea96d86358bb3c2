"""Tokens a second of a tuning job, beside TRL with the same settings and with its own defaults.

    python -m benchmarks.tuning --python TRAINER [--size tiny|135m|1b|8b] [--base FOLDER]
                                [--rows 800] [--batch 32] [--steps 20] [--rounds 3] [--work FOLDER]

Needs no network and only the trainer's own files and libraries: TRAINER is a Python that has them
(by default this one). The model has random weights unless --base names a folder. Each subject is a
process of its own, rounds are interleaved; a figure is the median of its rounds. Tokens are those of
rows, never padding, over all updates but the first two; with the same settings both write a
checkpoint in that time.
"""

import argparse
import hashlib
import json
import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.figures import at_least, at_most, header
from benchmarks.tuning_model import SIZES, chats, write_rows

ROOT = Path(__file__).resolve().parents[1]
SAME, DEFAULTS, LOSS = 0.97, 1.5, 0.01
LEFT_OUT = 2
RANK, RATE, MAX_LENGTH = 16, 2e-4, 1024


class Plan(NamedTuple):
    """What is trained."""

    python: str
    base: Path
    work: Path
    batch: int
    steps: int

    @property
    def checkpoint_every(self) -> int:
        """Steps between two checkpoints, ours and TRL's with the same settings."""
        return max(LEFT_OUT + 1, self.steps // 2)


class Figures(NamedTuple):
    """Of one training; `padding` and `flops_share` only of ours."""

    seconds: float
    loss: float
    peak_gb: float
    padding: float | None = None
    flops_share: float | None = None


def environment() -> dict[str, str]:
    """Without a network; the trainer's libraries where they are now."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    quiet = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONWARNINGS": "ignore"}
    return {**os.environ, **quiet, "PYTHONPATH": path, "PROMPTSTONE_TUNING_RANKS": "1"}


def ours(plan: Plan, number: int) -> Figures:
    """The job, as a worker starts it."""
    folder = plan.work / "jobs" / f"ours-{number}"
    folder.mkdir(parents=True)
    rows = (plan.work / "train.jsonl").read_bytes()
    (folder / "rows.jsonl").write_bytes(rows)
    spec = {
        "job": folder.name, "base": str(plan.base), "method": {"kind": "sft"},
        "adapter": {"kind": "lora", "rank": RANK},
        "knobs": {"learning_rate": RATE, "steps": plan.steps, "batch": plan.batch,
                  "max_length": MAX_LENGTH},
        "rows_hash": hashlib.sha256(rows).hexdigest(),
        "checkpoint_every": plan.checkpoint_every,
    }  # fmt: skip
    (folder / "spec.json").write_text(json.dumps(spec))
    with (folder / "trainer.log").open("wb") as log:
        process = subprocess.Popen(
            [plan.python, "-m", "tuning.trainer", str(folder)], stdin=subprocess.PIPE, stdout=log,
            stderr=log, env=environment(), cwd=ROOT, start_new_session=True,
        )  # fmt: skip
        if process.wait():
            sys.exit((folder / "trainer.log").read_text()[-3000:])
    told = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    ends = [event["at"] for event in told if event["event"] == "step"]
    peak = max(event["memory_gb"] for event in told if event["event"] == "step")
    measured = bare_process(plan, {"adapter": str(folder / "adapter")})
    last = told[-1]
    return Figures(_seconds(ends), measured["loss"], peak, last["padding"], last["flops_share"])


def bare(plan: Plan, same: dict[str, Any] | None) -> Figures:
    """TRL itself; `same` are rows a pass, passes an update and recomputing, as ours chose.

    With the same settings it writes a checkpoint as often as ours.
    """
    given = {
        "same": same is not None, "batch": plan.batch, "steps": plan.steps, "rank": RANK,
        "learning_rate": RATE, "train": str(plan.work / "train.jsonl"),
        "out": str(plan.work / "trl"), "every": plan.checkpoint_every, **(same or {}),
    }  # fmt: skip
    found = bare_process(plan, given)
    return Figures(_seconds(found["ends"]), found["loss"], found["peak_gb"])


def bare_process(plan: Plan, given: dict[str, Any]) -> dict[str, Any]:
    """The last line that the script prints."""
    path = plan.work / "settings.json"
    held_out = str(plan.work / "held_out.jsonl")
    common = {"base": str(plan.base), "held_out": held_out, "max_length": MAX_LENGTH}
    path.write_text(json.dumps(common | given))
    done = subprocess.run(
        [plan.python, "-m", "benchmarks.tuning_bare", str(path)],
        capture_output=True, text=True, env=environment(), cwd=ROOT,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    return json.loads(done.stdout.strip().splitlines()[-1])


def split_of(folder: Path) -> dict[str, Any]:
    """How our job cut its updates, as its log says."""
    lines = (folder / "trainer.log").read_text().splitlines()
    said = next(line for line in lines if line.startswith("passes: "))
    return json.loads(said.removeprefix("passes: "))


def _seconds(ends: list[float]) -> float:
    """Of an update, over all but the first few."""
    return (ends[-1] - ends[LEFT_OUT - 1]) / (len(ends) - LEFT_OUT)


def tokens_per_update(plan: Plan) -> float:
    """Of the rows, as the model sees them: words, roles and marks."""
    rows = [json.loads(line) for line in (plan.work / "train.jsonl").read_text().splitlines()]
    lengths = [sum(len(turn["content"].split()) + 3 for turn in row["messages"]) for row in rows]
    return plan.batch * sum(lengths) / len(lengths)


def prepared(arguments: argparse.Namespace) -> Plan:
    """Write model and rows."""
    work = Path(arguments.work).absolute() / f"tuning-{int(time.time())}"
    work.mkdir(parents=True)
    base = Path(arguments.base) if arguments.base else work / "base"
    if not arguments.base:
        code = f"from pathlib import Path; from benchmarks.tuning_model import *; build(Path({str(base)!r}), SIZES[{arguments.size!r}])"
        subprocess.run([arguments.python, "-c", code], check=True, env=environment(), cwd=ROOT)
    write_rows(work / "train.jsonl", chats(arguments.rows, 1))
    write_rows(work / "held_out.jsonl", chats(48, 2))
    return Plan(arguments.python, base, work, arguments.batch, arguments.steps)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--size", default="tiny", choices=SIZES)
    parser.add_argument("--base")
    parser.add_argument("--rows", type=int, default=800)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", default="/tmp")
    arguments = parser.parse_args()
    header()
    plan = prepared(arguments)
    took: dict[str, list[Figures]] = {"ours": [], "same": [], "defaults": []}
    for number in range(arguments.rounds):
        took["ours"].append(ours(plan, number))
        same = split_of(plan.work / "jobs" / f"ours-{number}")
        rest = [("same", same), ("defaults", None)]
        random.Random(number).shuffle(rest)
        for name, given in rest:
            took[name].append(bare(plan, given))
    tokens = tokens_per_update(plan)
    speed: dict[str, float] = {}
    loss: dict[str, float] = {}
    for name, figures in took.items():
        speed[name] = tokens / statistics.median(one.seconds for one in figures)
        loss[name] = statistics.median(one.loss for one in figures)
        peak = max(one.peak_gb for one in figures)
        print(f"  {name}: {speed[name]:,.0f} tokens/s, loss {loss[name]:.4f}, peak {peak:.1f} GB")
    last = took["ours"][-1]
    print(f"  ours: padding {last.padding:.1%}, FLOPs share {last.flops_share or float('nan'):.1%}")
    at_least("of TRL's speed with the same settings", speed["ours"] / speed["same"], SAME)
    at_least("times TRL's speed with its defaults", speed["ours"] / speed["defaults"], DEFAULTS)
    at_most("off its held-out loss", abs(loss["ours"] / loss["defaults"] - 1), LOSS)


if __name__ == "__main__":
    main()
