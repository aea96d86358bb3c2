"""What the database refuses costs one cell, not the run."""

from decimal import Decimal

import pytest
from sqlmodel import select

from core.clock import new_id, utcnow
from core.database import Database
from core.errors import LostLease
from evalsets.models import Answer, Attempt, CellScore
from evalsets.runs.ledger import AnswerRow, CellRow, Change, EndedRow, ScoreRow, StartedRow, Tally
from evalsets.runs.ownership import Owned, owned
from evalsets.runs.service import retry
from evalsets.runs.writer import Writer
from tests.support.running import (
    ACTOR,
    PRICES,
    add_cases,
    add_model,
    add_prompt,
    begin,
    cell_rows,
    run_row,
    scores_of,
    work_on,
)
from tests.support.witness import Witness

HUGE = 2**63


@pytest.fixture
def w(server: Witness, monkeypatch: pytest.MonkeyPatch) -> Witness:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-test")
    server.reset()
    return server


def through_langchain(db: Database, w: Witness, behaviour: str, **settings: object) -> str:
    return add_model(db, w, behaviour, kind="langchain", provider="openai", **settings)


@pytest.mark.parametrize("behaviour", ["hugeusage", "half"])
async def test_an_answer_that_cannot_be_kept_fails_its_cell_alone(
    db: Database, w: Witness, behaviour: str
) -> None:
    add_prompt(db)
    add_model(db, w, "ok", **PRICES)
    through_langchain(db, w, behaviour, concurrency=4, **PRICES)
    add_cases(db, 12)
    run_id = begin(db, "ok", behaviour)
    end = await work_on(db, run_id)
    assert end.status == "completed"
    run, cells = run_row(db, run_id), cell_rows(db, run_id)
    assert (run.succeeded, run.failed, run.calls) == (12, 12, 24)
    assert {cell.state for cell in cells[::2]} == {"succeeded"}
    for cell in cells[1::2]:
        assert (cell.state, cell.error_kind, cell.attempts) == ("failed", "unkept", 1)
        assert (cell.error or "").startswith("The answer could not be kept: ")
        assert (cell.error or "").endswith("`promptstone run retry` sends it again.")
    with db.read_scope() as session:
        assert len(session.exec(select(Answer)).all()) == 12
        attempts = session.exec(select(Attempt)).all()
    assert {one.outcome for one in attempts} == {"answered"}
    assert (run.cost is None) == (behaviour == "hugeusage"), "what was paid is known or unknown"
    assert retry(db, ACTOR, run_id) == 12
    await work_on(db, run_id)
    run = run_row(db, run_id)
    assert (run.status, run.succeeded, run.failed, run.calls) == ("completed", 12, 12, 36)


async def test_equal_cells_and_judges_come_to_their_end_too(db: Database, w: Witness) -> None:
    add_prompt(db, text="{{ topic }}")
    add_model(db, w, "ok")
    through_langchain(db, w, "hugeusage")
    add_cases(db, [{"topic": "same"}] * 3)
    twins = begin(db, "hugeusage")
    assert (await work_on(db, twins)).status == "completed"
    assert [cell.state for cell in cell_rows(db, twins)] == ["failed"] * 3
    judge = {"kind": "judge", "model": "hugeusage", "rubric": "Is it nice?"}
    judged = begin(db, "ok", evaluators=(judge,))
    assert (await work_on(db, judged)).status == "completed"
    run, scores = run_row(db, judged), scores_of(db, judged)
    assert (run.succeeded, run.failed) == (3, 0)
    assert [scores[n, "judge"].value for n in range(3)] == [None] * 3
    assert "could not be kept" in scores[0, "judge"].reason


def answered(run_id: str, number: int, tokens: int) -> Change:
    """The events of a cell's only call."""
    answer, now, cost = new_id(), utcnow(), Decimal("0.5")
    return Change(
        answers=[
            AnswerRow(
                answer, answer, "{}", "text", None, "stop", tokens, 1, False, None, 1.0, cost, now
            )
        ],
        started=[StartedRow(run_id, number + 1, number, None, None, now)],
        ended=[EndedRow("answered", 200, None, tokens, 1, cost, now, run_id, number + 1)],
        cells=[
            CellRow(
                *("succeeded", answer, "0" * 64, "text", False, False, 1, None, None, None),
                *(run_id, number),
            )
        ],
        scores=[ScoreRow(run_id, number, "exact", 1.0, "", None)],
        tally=Tally(succeeded=1, calls=1, input_tokens=tokens, output_tokens=1, cost=cost),
    )


def own(db: Database, w: Witness, cells: int) -> str:
    add_prompt(db)
    add_model(db, w, "ok")
    add_cases(db, cells)
    return begin(db, "ok")


def writer_of(db: Database, mine: Owned) -> Writer:
    return Writer(db, mine.claim, mine.tally, mine.seconds)


async def test_of_a_group_only_the_refused_change_is_changed(db: Database, w: Witness) -> None:
    run_id = own(db, w, 8)
    with owned(db, run_id=run_id) as mine:
        assert mine is not None
        writer = writer_of(db, mine)
        bad = {2, 3, 7}
        kept = [writer.write(answered(run_id, n, HUGE if n in bad else 10)) for n in range(8)]
        assert [await one for one in kept] == [n not in bad for n in range(8)]
        await writer.close()
        assert writer.broken is None
    cells, run = cell_rows(db, run_id), run_row(db, run_id)
    assert [cell.state == "failed" for cell in cells] == [n in bad for n in range(8)]
    assert (run.succeeded, run.failed, run.calls, run.cost) == (5, 3, 8, None)
    assert (run.input_tokens, run.output_tokens) == (50, 5)
    with db.read_scope() as session:
        assert {one.cell for one in session.exec(select(CellScore))} == set(range(8)) - bad
        ended = session.exec(select(Attempt).order_by(Attempt.number)).all()  # pyright: ignore
    assert [one.cost for one in ended] == [None if n in bad else Decimal("0.5") for n in range(8)]


async def test_a_refusal_does_not_get_past_the_fence(db: Database, w: Witness) -> None:
    run_id = own(db, w, 2)
    with owned(db, run_id=run_id, lease=0) as mine:
        assert mine is not None
        late = writer_of(db, mine)
        with owned(db, run_id=run_id) as other:  # its lease is over: somebody else takes it
            assert other is not None
            lost = [late.write(answered(run_id, n, (HUGE, 10)[n])) for n in range(2)]
            for one in lost:
                with pytest.raises(LostLease):
                    await one
            await late.close()
    assert [cell.state for cell in cell_rows(db, run_id)] == ["pending"] * 2
    assert isinstance(late.broken, LostLease)
