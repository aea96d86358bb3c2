"""Starting a tuning job: what is asked, checked against base and rows, frozen, and handed over."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from sqlmodel import Session

from connectors.backends import gpus
from connectors.backends.formats import CheckTemplate
from connectors.backends.gpus import CPU
from connectors.backends.queue import Ask, TooLarge, assign, suits
from connectors.models import Model
from core.clock import new_id, utcnow
from core.database import Database
from core.errors import Conflict, Invalid
from core.names import split_ref
from tuning import jobs
from tuning.bases import FoundBase, find_base
from tuning.data.loading import Loaded, NamedRow, check_no_leaks, load_rows, write_rows
from tuning.data.rows import Row, Turn, prompt_of
from tuning.data.statistics import count_row
from tuning.folders import job_folder
from tuning.forecast import memory_of
from tuning.knobs import derive, steps_of
from tuning.manifest import Manifest, RowsRef
from tuning.methods import Adapter, Knobs, Lora, Method, Sft
from tuning.spec import JobSpec

SAMPLES = 3
PARITY = 20
"""Prompts of the parity certificate."""
CHECKPOINTS = 10
"""A job saves and evaluates about so often."""


@dataclass(frozen=True, slots=True)
class TuneRequest:
    """What a person asks for; `data` and `evaluation` are data sets as NAME or NAME@V.

    `memory` is in bytes, estimated where it is None; `gpu` is a part of a kind's name.
    """

    name: str
    base: str
    data: str
    evaluation: str | None = None
    method: Method = field(default_factory=Sft)
    adapter: Adapter = field(default_factory=Lora)
    knobs: Knobs = field(default_factory=Knobs)
    params: dict[str, Any] = field(default_factory=dict[str, Any])
    skip_bad: bool = False
    gpu: str | None = None
    gpus: int = 1
    memory: int | None = None


def start(
    database: Database, actor: str, request: TuneRequest, check_template: CheckTemplate | None
) -> str:
    """Check, freeze and queue a training; its id. Raises Invalid, NotFound, Conflict.

    `check_template` renders a chat template where templates are rendered.
    """
    data, job_id = database.settings.data, new_id()
    base = find_base(database, request.base, check_template)
    rows = _rows(database, request)
    held_out = _held_out(database, request, rows)
    check_no_leaks(database, rows.loaded, held_out.loaded if request.evaluation else None)
    folder = job_folder(data, job_id)
    folder.mkdir(parents=True, mode=0o700)
    try:
        manifest = _written(folder, job_id, request, base, rows, held_out)
        with database.session_scope(actor) as session:
            _check_name(session, request.name)
            jobs.queue(session, jobs.create(session, job_id, request.name, manifest))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return job_id


def _check_name(session: Session, name: str) -> None:
    """A job's name is also that of the model which comes of it."""
    if session.get(Model, name) is not None:
        raise Conflict(f"There is a model {name!r} already. Choose another name.", param="name")


class _Part(NamedTuple):
    """Rows of one purpose, and the version that they are of."""

    loaded: Loaded
    rows: Sequence[Row]


def _rows(database: Database, request: TuneRequest) -> _Part:
    loaded = _loaded(database, request.data, request)
    if not loaded.training:
        raise Invalid(
            f"{loaded.ref} has no rows to learn from: all are of the splits dev, test and holdout. "
            "Add rows of the split train.",
            param="data",
        )
    return _Part(loaded, _plain(loaded.training))


def _held_out(database: Database, request: TuneRequest, rows: _Part) -> _Part:
    """Rows for the evaluation loss: another data set's, or the held-out splits of the same one."""
    if request.evaluation is None:
        return _Part(rows.loaded, _plain(rows.loaded.evaluation))
    loaded = _loaded(database, request.evaluation, request)
    return _Part(loaded, _plain((*loaded.training, *loaded.evaluation)))


def _loaded(database: Database, ref: str, request: TuneRequest) -> Loaded:
    kind = request.method.rows
    with database.read_scope() as session:
        return load_rows(session, *split_ref(ref), kind, skip_bad=request.skip_bad)


def _plain(rows: Sequence[NamedRow]) -> list[Row]:
    return [one.row for one in rows]


def _written(
    folder: Path, job_id: str, request: TuneRequest, base: FoundBase, rows: _Part, held_out: _Part
) -> Manifest:
    """The job's files, and what they hold."""
    data = _ref(rows, write_rows(folder / "rows.jsonl", rows.rows))
    evaluation = None
    if held_out.rows:
        evaluation = _ref(held_out, write_rows(folder / "eval.jsonl", held_out.rows))
    lengths = [count_row(row) for row in rows.rows]
    derived = derive(len(lengths), lengths, request.method, request.adapter, request.knobs)
    prompts = _prompts(held_out.rows or rows.rows)
    manifest = Manifest(
        base=base.ref,
        data=data,
        evaluation=evaluation,
        method=request.method,
        adapter=request.adapter,
        knobs=derived,
        params=request.params,
        memory=_memory(request, base, derived),
        gpu=request.gpu,
        gpus=request.gpus,
        samples=tuple(prompts[:SAMPLES]),
        code=version("promptstone"),
    )
    spec = _spec(job_id, manifest, len(rows.rows), prompts)
    (folder / "spec.json").write_text(spec.model_dump_json(indent=2))
    return manifest


def _memory(request: TuneRequest, base: FoundBase, knobs: Knobs) -> int:
    """Bytes on each device. Raises Invalid when no place of this machine has as many."""
    places = gpus.places()
    on_gpu = any(place.id != CPU for place in places)
    need = request.memory
    if need is None:
        parts = memory_of(base.config, request.method, request.adapter, knobs, on_gpu=on_gpu)
        need = parts.total
    ask = Ask(request.name, need, utcnow(), on_gpu, request.gpu if on_gpu else None)
    decision = assign([ask], places, [])[request.name]
    if isinstance(decision, TooLarge):
        raise Invalid(decision.why, param="base")
    there = sum(suits(ask, place) for place in places)
    if on_gpu and request.gpus > there:
        raise Invalid(f"There are {there} such GPUs here. Ask for fewer.", param="gpus")
    return need


def _ref(part: _Part, file_hash: str) -> RowsRef:
    found = part.loaded
    return RowsRef(
        dataset=found.dataset, version=found.version, dataset_hash=found.hash,
        rows=len(part.rows), hash=file_hash,
    )  # fmt: skip


def _prompts(rows: Sequence[Row]) -> list[list[dict[str, str]]]:
    """The first prompts of text alone, each once: for samples and the parity certificate."""
    prompts = [prompt_of(row) for row in rows]
    plain = [turns for turns in prompts if turns and not any(map(_calls, turns))]
    return [
        [{"role": turn.role, "content": turn.content} for turn in turns]
        for turns in list(dict.fromkeys(plain))[:PARITY]
    ]


def _calls(turn: Turn) -> bool:
    return bool(turn.calls or turn.name)


def _spec(
    job_id: str, manifest: Manifest, rows: int, prompts: Sequence[list[dict[str, str]]]
) -> JobSpec:
    steps = steps_of(rows, manifest.knobs)
    often = max(1, steps // CHECKPOINTS)
    return JobSpec(
        job=job_id,
        base=manifest.base.path,
        method=manifest.method,
        adapter=manifest.adapter,
        knobs=manifest.knobs,
        params=manifest.params,
        rows_hash=manifest.data.hash,
        eval_hash=manifest.evaluation.hash if manifest.evaluation else None,
        samples=manifest.samples,
        parity=tuple(prompts),
        checkpoint_every=often,
        evaluate_every=often,
    )
