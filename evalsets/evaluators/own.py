"""An evaluator of the administrator's own, in Python; nothing that a browser sends runs here."""

import threading
from typing import Literal

from pydantic import Field

from core.canonical import Json
from core.errors import NotFound
from evalsets.evaluators.own_files import hash_of, source_of
from evalsets.evaluators.own_process import OwnProcess
from evalsets.evaluators.subjects import EvaluatorSettings, Score, Subject, unscored

_lock = threading.Lock()
_processes: dict[str, OwnProcess] = {}


class Python(EvaluatorSettings):
    """The function `score(output, case)` of a file in the administrator's folder, in a sandbox."""

    kind: Literal["python"] = "python"
    file: str = Field(
        min_length=1, max_length=64, description="Its name without .py, in the server's folder."
    )
    sha256: str | None = Field(
        default=None, description="Set by a run: the version of the file that it began with."
    )

    def score(self, subject: Subject) -> Score:
        """Unscored when the file is gone, has changed since the run began, or fails."""
        try:
            source = source_of(self.file)
        except NotFound as error:
            return unscored(error.message)
        if self.sha256 not in (None, hash_of(source)):
            return unscored(f"{self.file}.py has changed since the run began; start a new run")
        return _process(self.file, source).score(_case(subject))


def _process(name: str, source: str) -> OwnProcess:
    """The one process of a file; a changed file gets a new one."""
    with _lock:
        found = _processes.get(name)
        if found is None or found.hash != hash_of(source):
            if found is not None:
                found.close()
            found = _processes[name] = OwnProcess(source)
        return found


def _case(subject: Subject) -> dict[str, Json]:
    return {
        "output": subject.output,
        "inputs": dict(subject.inputs),
        "expected": subject.expected,
        "tool_calls": list(subject.tool_calls or ()),
        "tags": list(subject.tags),
        "sources": [dict(one) for one in subject.sources or ()],
        "latency_ms": subject.latency_ms,
        "cost_usd": None if subject.cost is None else float(subject.cost),
    }
