"""Tables of data sets, runs, scores, labels and the plans behind verdicts."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, UniqueConstraint
from sqlmodel import Field

from core.clock import new_id, utcnow
from core.database import Base
from core.types import ExactText, Moment, Money


class Dataset(Base, table=True):
    """A named set of cases."""

    __tablename__ = "datasets"
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True, max_length=128)
    description: str = ""
    imported: bool = Field(default=False, description="made by `run import`, hidden in lists")
    newest: int = 0
    actor: str
    created_at: datetime = Field(default_factory=utcnow, sa_type=Moment)
    updated_at: datetime = Field(default_factory=utcnow, sa_type=Moment, index=True)


class DatasetVersion(Base, table=True):
    """An immutable list of cases; `hash` covers them all in order."""

    __tablename__ = "dataset_versions"
    __table_args__ = (UniqueConstraint("dataset_id", "number"),)
    id: int | None = Field(default=None, primary_key=True)
    dataset_id: int = Field(foreign_key="datasets.id", index=True)
    number: int
    hash: str = Field(max_length=64)
    cases: int
    columns: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    source: str = Field(default="", description="file name, grid or page that it came from")
    message: str = ""
    actor: str
    created_at: datetime = Field(default_factory=utcnow, sa_type=Moment)


class Case(Base, table=True):
    """Inputs with an optional expected output; `position` counts from 0 in its version."""

    __tablename__ = "cases"
    __table_args__ = (UniqueConstraint("version_id", "position"),)
    id: int | None = Field(default=None, primary_key=True)
    version_id: int = Field(foreign_key="dataset_versions.id")
    position: int
    case_id: str = Field(max_length=256)
    inputs: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    inputs_hash: str = Field(max_length=64)
    expected: str | None = Field(default=None, sa_column=Column(ExactText))
    tags: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    split: str | None = Field(default=None, max_length=16)


class Run(Base, table=True):
    """Prompts × models × cases × repeats, with everything it ran frozen in `manifest`.

    Counters are kept by the one writer of the run, in the transaction of what they count.
    """

    __tablename__ = "runs"
    id: str = Field(default_factory=new_id, primary_key=True)
    title: str = ""
    status: str = Field(default="queued", index=True)
    wanted: str | None = Field(default=None, description="pause or cancel, asked of the owner")
    reason: str | None = Field(default=None, sa_column=Column(ExactText))
    dataset: str = Field(description="name; part of a label's identity")
    dataset_version: int
    version_id: int = Field(foreign_key="dataset_versions.id")
    repeats: int = 1
    manifest: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    budget: Decimal | None = Field(default=None, sa_type=Money)
    imported: bool = False
    idempotency_key: str | None = Field(default=None, unique=True)
    total: int = 0
    succeeded: int = 0
    failed: int = 0
    cached: int = 0
    calls: int = 0
    interrupted: int = 0
    input_tokens: int = Field(default=0, sa_type=BigInteger)
    output_tokens: int = Field(default=0, sa_type=BigInteger)
    cost: Decimal | None = Field(default=Decimal(0), sa_type=Money)
    judge_calls: int = 0
    judge_cached: int = 0
    judge_input_tokens: int = Field(default=0, sa_type=BigInteger)
    judge_output_tokens: int = Field(default=0, sa_type=BigInteger)
    judge_cost: Decimal | None = Field(default=Decimal(0), sa_type=Money)
    seconds: float = Field(default=0, description="time spent running, all resumes together")
    actor: str
    created_at: datetime = Field(default_factory=utcnow, sa_type=Moment, index=True)
    started_at: datetime | None = Field(default=None, sa_type=Moment)
    ended_at: datetime | None = Field(default=None, sa_type=Moment)


class Answer(Base, table=True):
    """What a model said to one request; cells that share a request key share the answer."""

    __tablename__ = "answers"
    id: str = Field(default_factory=new_id, primary_key=True)
    request_key: str | None = Field(default=None, index=True, max_length=64)
    request: str = Field(default="", sa_column=Column(ExactText, nullable=False))
    output: str = Field(sa_column=Column(ExactText, nullable=False))
    tool_calls: list[Any] | None = Field(default=None, sa_column=Column(JSON))
    finish_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    estimated: bool = Field(default=False, description="tokens counted by us, not the provider")
    ttft_ms: float | None = None
    latency_ms: float | None = None
    cost: Decimal | None = Field(default=None, sa_type=Money)
    created_at: datetime = Field(default_factory=utcnow, sa_type=Moment)


class Cell(Base, table=True):
    """One call of a run: case × arm × repeat.

    `number` = (case position × arms + arm) × repeats + repeat − 1, so that a page of the matrix
    is one range. The wide text lives in `answers`; `preview` holds its first 200 characters.
    """

    __tablename__ = "cells"
    __table_args__ = (
        Index("ix_cells_item", "item_key"),
        Index("ix_cells_answer", "answer_id"),
        Index("ix_cells_state", "run_id", "state", "number"),
    )
    run_id: str = Field(foreign_key="runs.id", primary_key=True)
    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    arm: int = Field(description="position in the manifest's arms")
    case_ref: int = Field(foreign_key="cases.id")
    repeat: int
    state: str = Field(default="pending", description="pending, succeeded or failed")
    answer_id: str | None = Field(default=None, foreign_key="answers.id")
    item_key: str | None = Field(default=None, max_length=64, description="identity of its label")
    preview: str | None = Field(default=None, sa_column=Column(ExactText))
    cached: bool = False
    interrupted: bool = Field(default=False, description="in flight at a crash: maybe paid twice")
    attempts: int = 0
    error_kind: str | None = None
    error: str | None = Field(default=None, sa_column=Column(ExactText))
    sources: list[dict[str, Any]] | None = Field(
        default=None,
        sa_column=Column(JSON(none_as_null=True)),
        description="passages of a knowledge base that the call held, as Source.row",
    )


class Attempt(Base, table=True):
    """A request of a run, recorded before it is sent: the ledger that a provider's bill matches."""

    __tablename__ = "attempts"
    __table_args__ = (Index("ix_attempts_cell", "run_id", "cell"),)
    run_id: str = Field(foreign_key="runs.id", primary_key=True)
    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    cell: int
    evaluator: str | None = Field(default=None, description="set when a judge was asked")
    outcome: str | None = Field(default=None, description="answered, interrupted or a failure kind")
    status: int | None = None
    detail: str | None = Field(default=None, sa_column=Column(ExactText))
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: Decimal | None = Field(default=None, sa_type=Money)
    started_at: datetime = Field(default_factory=utcnow, sa_type=Moment)
    ended_at: datetime | None = Field(default=None, sa_type=Moment)


class CellScore(Base, table=True):
    """What an evaluator made of a cell; `value` is null when it could not tell."""

    __tablename__ = "scores"
    run_id: str = Field(foreign_key="runs.id", primary_key=True)
    cell: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    evaluator: str = Field(primary_key=True)
    value: float | None = None
    reason: str = Field(default="", sa_column=Column(ExactText, nullable=False))
    answer_id: str | None = Field(default=None, description="the judge's answer")


class Label(Base, table=True):
    """One press of an annotator; the newest of an (item, annotator) counts, the others stay."""

    __tablename__ = "labels"
    __table_args__ = (Index("ix_labels_item", "item_key", "annotator", "id"),)
    id: int | None = Field(default=None, primary_key=True)
    item_key: str = Field(max_length=64, description="hash of data set, inputs, output, tool calls")
    annotator: str
    label: str | None = Field(default=None, description="good, bad, skip; null takes it back")
    reasons: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    correction: str | None = Field(default=None, sa_column=Column(ExactText))
    comment: str | None = Field(default=None, sa_column=Column(ExactText))
    source: str = Field(default="queue", description="queue, picked or import")
    adjudicated: bool = False
    run_id: str = Field(foreign_key="runs.id", index=True)
    cell: int
    queue_id: str | None = None
    actor: str
    at: datetime = Field(default_factory=utcnow, sa_type=Moment)


class Highlight(Base, table=True):
    """A cell that somebody marked for everyone to look at."""

    __tablename__ = "highlights"
    run_id: str = Field(foreign_key="runs.id", primary_key=True)
    cell: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    actor: str
    at: datetime = Field(default_factory=utcnow, sa_type=Moment)


class Preference(Base, table=True):
    """A pairwise label of two cells of one case and repeat."""

    __tablename__ = "preferences"
    id: int | None = Field(default=None, primary_key=True)
    run_id: str = Field(foreign_key="runs.id", index=True)
    cell_a: int
    cell_b: int
    annotator: str
    preference: str = Field(description="a, b or tie")
    left: str | None = Field(default=None, description="which of both stood left: a or b")
    source: str = "import"
    actor: str
    at: datetime = Field(default_factory=utcnow, sa_type=Moment)


class OutputPreference(Base, table=True):
    """A pairwise label of two outputs to the same inputs, outside of runs; rows are only added.

    `place` is the name of a data set, or `scene:ID`. `arm_a` and `arm_b` name what said them.
    """

    __tablename__ = "output_preferences"
    id: int | None = Field(default=None, primary_key=True)
    place: str = Field(index=True, max_length=160)
    pair_key: str = Field(index=True, max_length=64, description="place, inputs, both outputs")
    inputs: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    output_a: str = Field(sa_column=Column(ExactText, nullable=False))
    output_b: str = Field(sa_column=Column(ExactText, nullable=False))
    arm_a: str = Field(sa_column=Column(ExactText, nullable=False))
    arm_b: str = Field(sa_column=Column(ExactText, nullable=False))
    annotator: str
    preference: str = Field(description="a, b or tie; a stood left")
    actor: str
    at: datetime = Field(default_factory=utcnow, sa_type=Moment)


class Queue(Base, table=True):
    """A stored labeling plan: which pairs, in which order, for which comparison.

    The plan stands before its first label; `sequence` counts extensions made on "too few labels".
    """

    __tablename__ = "queues"
    id: str = Field(default_factory=new_id, primary_key=True)
    run_id: str = Field(foreign_key="runs.id", index=True)
    name: str
    seed: int
    baseline: int = Field(description="arm position")
    resolution: float = 0.10
    sequence: int = 0
    pairs: int = Field(description="planned (case, repeat) pairs of this plan")
    reasons: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    guidelines: str = Field(default="", sa_column=Column(ExactText, nullable=False))
    show_expected: bool = False
    state: str = "open"
    word: str | None = Field(
        default=None, description="words at the first reading of the complete plan, as JSON"
    )
    labels_hash: str | None = Field(
        default=None, max_length=64, description="the labels at that reading"
    )
    actor: str
    created_at: datetime = Field(default_factory=utcnow, sa_type=Moment)
    completed_at: datetime | None = Field(default=None, sa_type=Moment)


class QueueItem(Base, table=True):
    """One output to label; equal outputs of several arms are one item."""

    __tablename__ = "queue_items"
    __table_args__ = (
        Index("ix_queue_items_key", "item_key"),
        Index("ix_queue_items_open", "queue_id", "done", "position"),
    )
    queue_id: str = Field(foreign_key="queues.id", primary_key=True)
    position: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    item_key: str = Field(max_length=64)
    cell: int
    done: bool = Field(default=False, description="kept true while a label of the item counts")
    held_by: str | None = None
    held_until: datetime | None = Field(default=None, sa_type=Moment)


class VerdictLook(Base, table=True):
    """A state of the labels at which somebody read the verdict."""

    __tablename__ = "verdict_looks"
    run_id: str = Field(foreign_key="runs.id", primary_key=True)
    by: str = Field(primary_key=True)
    labels_hash: str = Field(primary_key=True, max_length=64)
    actor: str
    at: datetime = Field(default_factory=utcnow, sa_type=Moment)
