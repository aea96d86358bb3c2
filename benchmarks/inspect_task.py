"""What inspect-ai runs, in its own environment: CELLS calls, 64 at once, logs into FOLDER.

python benchmarks/inspect_task.py CELLS FOLDER
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from inspect_ai import Task, eval  # type: ignore[import-not-found]
from inspect_ai.dataset import MemoryDataset, Sample  # type: ignore[import-not-found]
from inspect_ai.solver import generate  # type: ignore[import-not-found]

from benchmarks.task import IN_FLIGHT, PROMPT, case

cells, folder = int(sys.argv[1]), sys.argv[2]


def text(number: int) -> str:
    given = PROMPT
    for name, value in case(number).items():
        given = given.replace("{{ " + name + " }}", value)
    return given


samples = [Sample(input=text(number), id=number) for number in range(cells)]
(found,) = eval(
    Task(dataset=MemoryDataset(samples), solver=generate()),
    model="openai-api/witness/ok",
    max_connections=IN_FLIGHT,
    max_samples=IN_FLIGHT,
    display="none",
    log_realtime=False,
    log_dir=folder,
    log_level="error",
)
assert found.status == "success", found.error
assert found.results.completed_samples == cells
