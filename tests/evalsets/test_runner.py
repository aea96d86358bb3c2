"""The engine against the witness: what is sent, counted, cached, retried, held back."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from core.database import Database
from tests.support.running import (
    PRICES,
    add_cases,
    add_model,
    add_prompt,
    begin,
    cell_rows,
    run_row,
    work_on,
)
from tests.support.witness import Witness, witness


@pytest.fixture(scope="module")
def server() -> Iterator[Witness]:
    with witness() as running:
        yield running


@pytest.fixture
def w(server: Witness) -> Witness:
    server.reset()
    return server


async def test_a_run_answers_every_cell_and_its_ledger_matches_the_witness(
    db: Database, w: Witness
) -> None:
    add_prompt(db)
    add_model(db, w, "ok", **PRICES)
    add_cases(db, 40)
    run_id = begin(db, "ok", repeats=2)
    end = await work_on(db, run_id)
    run, counts = run_row(db, run_id), w.counts("ok")
    assert end.status == run.status == "completed"
    assert (run.total, run.succeeded, run.failed, run.cached) == (80, 80, 0, 0)
    assert run.calls == counts.requests == 80
    assert (run.input_tokens, run.output_tokens) == (counts.input_tokens, counts.output_tokens)
    assert run.cost == Decimal(counts.input_tokens + 2 * counts.output_tokens) / 10**6
    assert {cell.attempts for cell in cell_rows(db, run_id)} == {1}
