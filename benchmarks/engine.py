"""The engine on a fresh SQLite database, prepared by one process and run by another."""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.processes import Peak, child, tree_cpu, tree_memory
from benchmarks.task import IN_FLIGHT, PROMPT, case
from core.database import Database
from core.migrate import migrate
from core.settings import load_settings
from evalsets.runs.service import RunRequest, start
from evalsets.runs.worker import run_here, serve
from prompts.content import Variable
from tests.support.running import ACTOR, add_cases, add_model, add_prompt
from tests.support.witness import Witness


def ours(base_url: str, cells: int, model: str = "ok", *, watch: bool = False) -> dict[str, float]:
    """The engine on a fresh data folder; watching its memory costs CPU of its own."""
    with tempfile.TemporaryDirectory() as data:
        run_id = child("engine", "prepare", data, base_url, cells, model)["run"]
        return child("engine", "measure", data, run_id, cells, int(watch))


def prepare(data: str, base_url: str, cells: int, model: str) -> None:
    """A fresh SQLite database with a queued run."""
    database = Database(load_settings(Path(data)))
    migrate(database)
    print(json.dumps({"run": _queued(database, base_url, cells, model)}), flush=True)


def _queued(database: Database, base_url: str, cells: int, model: str) -> str:
    """Prompt, model, cases and a queued run."""
    port = int(base_url.rpartition(":")[2].partition("/")[0])
    variables = (Variable(name="topic"), Variable(name="paper"))
    add_prompt(database, text=PROMPT, variables=variables)
    add_model(database, Witness(port), model, concurrency=IN_FLIGHT)
    add_cases(database, [case(n) for n in range(cells)])
    request = RunRequest(prompts=("ask",), models=(model,), dataset="cases")
    return start(database, ACTOR, request).run_id


def measure(data: str, run_id: str, cells: int, watch: bool) -> None:
    """The engine on a run that waits; `idle` is the process with everything imported."""
    database = Database(load_settings(Path(data)))
    idle = tree_memory(os.getpid())
    before, started = tree_cpu(os.getpid()), time.perf_counter()
    peak = Peak(os.getpid()) if watch else None
    row = serve(run_here(database, run_id))
    wall, cpu = time.perf_counter() - started, tree_cpu(os.getpid()) - before
    assert row.succeeded == cells, f"{row.succeeded} of {cells} answered"
    figures = {"cells": cells, "wall": wall, "cpu": cpu, "idle": idle}
    if peak is not None:
        figures["memory"] = peak.end()
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
    else:
        measure(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5] == "1")
