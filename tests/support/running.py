"""Prompts, models, cases and runs against the witness, for the tests of the engine."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlmodel import col, select

from connectors.connections import Connections
from connectors.models import LocalAddress, Model, ModelSettings
from core.canonical import content_hash
from core.database import Database
from evalsets.identity import inputs_hash
from evalsets.models import Attempt, Case, Cell, CellScore, Dataset, DatasetVersion, Run
from evalsets.runs.execution import Terms, execute
from evalsets.runs.ownership import End, owned
from evalsets.runs.service import RunRequest, start
from prompts import service as prompts
from prompts.content import MessageTemplate, PromptContent, Variable
from tests.support.witness import Witness

ACTOR = "test"


def add_prompt(
    db: Database,
    name: str = "ask",
    text: str = "Tell me about {{ topic }}.",
    *,
    variables: Sequence[Variable] = (Variable(name="topic"),),
    **content: Any,
) -> None:
    """Push a prompt of one user message."""
    whole = PromptContent(
        messages=(MessageTemplate(role="user", content=text),), inputs=tuple(variables), **content
    )
    with db.session_scope(ACTOR) as session:
        prompts.push(session, name, whole)


def add_model(
    db: Database,
    witness: Witness,
    behaviour: str = "ok",
    *,
    name: str | None = None,
    **settings: Any,
) -> str:
    """A model of the witness; `behaviour` is its id."""
    name = name or behaviour
    whole = ModelSettings(
        base_url=witness.base_url, model=behaviour, **{"concurrency": 8, "timeout": 20, **settings}
    )
    with db.session_scope(ACTOR) as session:
        session.merge(Model(name=name, settings=whole.model_dump(mode="json"), actor=ACTOR))
        session.merge(LocalAddress(host="127.0.0.1", port=witness.port, actor=ACTOR))
    return name


def add_cases(db: Database, cases: Sequence[Mapping[str, Any]] | int, name: str = "cases") -> None:
    """A data set of inputs; a number makes as many different topics."""
    rows = [{"topic": f"topic {n}"} for n in range(cases)] if isinstance(cases, int) else cases
    with db.session_scope(ACTOR) as session:
        dataset = Dataset(name=name, newest=1, actor=ACTOR)
        session.add(dataset)
        session.flush()
        version = DatasetVersion(
            dataset_id=dataset.id or 0, number=1, hash=content_hash(rows), cases=len(rows),
            columns=list(rows[0]), actor=ACTOR,
        )  # fmt: skip
        session.add(version)
        session.flush()
        for position, row in enumerate(rows):
            inputs = {key: value for key, value in row.items() if key != "expected"}
            session.add(
                Case(
                    version_id=version.id or 0, position=position, case_id=f"c{position}",
                    inputs=inputs, inputs_hash=inputs_hash(inputs), expected=row.get("expected"),
                )
            )  # fmt: skip


def begin(db: Database, *models: str, **request: Any) -> str:
    """Start a run of `ask` over `cases`; its id."""
    whole = {"prompts": ("ask",), "models": models, "dataset": "cases", **request}
    return start(db, ACTOR, RunRequest.model_validate(whole)).run_id


async def work_on(
    db: Database, run_id: str, stop: asyncio.Event | None = None, terms: Terms | None = None
) -> End:
    """Own the run and work until it ends or pauses."""
    async with Connections(db.settings.data) as connections:
        with owned(db, run_id=run_id) as mine:
            assert mine is not None
            return await execute(db, mine, connections, stop or asyncio.Event(), terms)


def run_row(db: Database, run_id: str) -> Run:
    """The run as it stands."""
    with db.read_scope() as session:
        return session.exec(select(Run).where(Run.id == run_id)).one()


def attempts_of(db: Database, run_id: str) -> list[Attempt]:
    """Its ledger, in order."""
    with db.read_scope() as session:
        query = select(Attempt).where(Attempt.run_id == run_id).order_by(col(Attempt.number))
        return list(session.exec(query))


def cell_rows(db: Database, run_id: str) -> list[Cell]:
    """Its cells by number."""
    with db.read_scope() as session:
        query = select(Cell).where(Cell.run_id == run_id).order_by(col(Cell.number))
        return list(session.exec(query))


def scores_of(db: Database, run_id: str) -> dict[tuple[int, str], CellScore]:
    """Its scores by cell and evaluator."""
    with db.read_scope() as session:
        query = select(CellScore).where(CellScore.run_id == run_id)
        return {(one.cell, one.evaluator): one for one in session.exec(query)}


async def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(holds):
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.05)


PRICES = {"input_price": Decimal(1), "output_price": Decimal(2)}
