"""What the model said to the samples of a job, evaluation by evaluation, and what was expected."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from sqlmodel import Session

from tuning.folders import job_folder
from tuning.jobs import JobPublic, points

_LINES = 1_000
"""Samples are of the first rows."""


class Saying(NamedTuple):
    """What it said at a step."""

    step: int
    text: str


class Sample(NamedTuple):
    """A prompt of the manifest and the answers to it, the newest first."""

    prompt: list[dict[str, str]]
    said: list[Saying]


def samples_of(session: Session, job: JobPublic) -> list[Sample]:
    """All samples of a job; a step that was told twice, before and after a resume, counts once."""
    told: dict[int, dict[int, str]] = {}
    for point in points(session, job.id, "sample"):
        told.setdefault(int(point.value or 0), {})[point.step] = point.text or ""
    return [
        Sample(prompt, [Saying(*one) for one in sorted(told.get(place, {}).items(), reverse=True)])
        for place, prompt in enumerate(job.manifest.samples)
    ]


def expected_of(data: Path, job: JobPublic) -> list[str | None]:
    """What the rows answer to each sample; None where a row does not say or the file is gone."""
    name = "rows.jsonl" if job.manifest.evaluation is None else "eval.jsonl"
    found: list[str | None] = [None] * len(job.manifest.samples)
    for row in _first_rows(job_folder(data, job.id) / name):
        for place, prompt in enumerate(job.manifest.samples):
            if found[place] is None:
                found[place] = _answer(row, prompt)
    return found


def _first_rows(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open("rb") as file:
            return [orjson.loads(line) for line, _ in zip(file, range(_LINES), strict=False)]
    except (OSError, orjson.JSONDecodeError):
        return []


def _answer(row: Mapping[str, Any], prompt: Sequence[Mapping[str, str]]) -> str | None:
    """The good answer of a row in TRL's form, if it is a row of this prompt."""
    asked = row.get("prompt")
    answer = row.get("chosen") or (row.get("completion") if row.get("label") else None)
    if asked is None:
        turns = row["messages"]
        asked, answer = turns[: len(prompt)], turns[len(prompt) :]
    same = [(turn["role"], turn["content"]) for turn in asked]
    if not answer or same != [(turn["role"], turn["content"]) for turn in prompt]:
        return None
    return answer[-1]["content"]
