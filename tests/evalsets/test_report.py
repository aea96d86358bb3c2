"""Figures, pages and details of runs that really ran."""

from decimal import Decimal

import numpy
import pytest

from core.clock import utcnow
from core.database import Database
from core.errors import NotFound
from evalsets.models import Label
from evalsets.runs.arm_report import quantile
from evalsets.runs.cell_detail import cell_detail
from evalsets.runs.matrix import ScoreFilter, matrix_page
from evalsets.runs.report import gate_figures, run_json
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
from tests.support.witness import Witness


def label(db: Database, run_id: str, number: int, word: str | None) -> None:
    cell = cell_rows(db, run_id)[number]
    with db.session_scope("test") as session:
        session.add(
            Label(
                item_key=cell.item_key or "", annotator="ann", label=word, run_id=run_id,
                cell=number, actor="test", at=utcnow(),
            )
        )  # fmt: skip


async def two_arms(db: Database, w: Witness, cases: int = 4, **request: object) -> str:
    """Arms `ok` (echoes) and `same` (always yes); the third case of `bad` is refused."""
    add_prompt(db, text="{{ topic }}")
    add_model(db, w, "ok", **PRICES)
    add_model(db, w, "same", **PRICES)
    w.reply("same", "yes")
    add_cases(db, [{"topic": f"t{n}", "expected": "yes"} for n in range(cases)])
    run_id = begin(db, "ok", "same", **request)
    await work_on(db, run_id)
    return run_id


async def test_run_json_has_the_shape_and_the_figures_of_the_contract(
    db: Database, w: Witness
) -> None:
    run_id = await two_arms(db, w, evaluators=("exact",))
    for number, word in [(1, "good"), (0, "bad"), (2, "good")]:
        label(db, run_id, number, word)
    with db.read_scope() as session:
        shown = run_json(session, run_id)
    ok, same = shown["arms"]
    assert shown["prompts"] == ["ask@1"]
    assert shown["models"] == ["ok", "same"]
    assert shown["dataset"] == "cases@1"
    assert shown["cells"] == {"total": 8, "succeeded": 8, "failed": 0, "pending": 0}
    assert (shown["calls"], shown["cached"], shown["interrupted"]) == (8, 0, 0)
    assert (ok["arm"], same["arm"]) == ("ask@1 | ok", "ask@1 | same")
    assert ok["labels"] == {"good": 1, "bad": 1, "skip": 0, "unlabeled": 2, "disputed": 0}
    assert ok["share_good"] == 0.5
    assert same["share_good"] == 1.0  # one press: the equal outputs belong to different inputs
    assert (ok["scores"]["exact"]["mean"], same["scores"]["exact"]["mean"]) == (0, 1)
    assert same["scores"]["exact"]["n"] == 4
    assert ok["tokens"] == {"input": 4, "output": 8}
    assert ok["cost_usd"] == "0.000020"
    assert Decimal(ok["cost_per_good_usd"]) == Decimal("0.000020") * 2 / 4
    assert ok["latency_ms"]["p50"] > 0
    assert ok["ttft_ms"] is None
    assert shown["cost_usd"] == str(Decimal(ok["cost_usd"]) + Decimal(same["cost_usd"]))
    assert shown["seconds"] > 0


async def test_a_cached_run_costs_nothing_but_its_arms_show_what_the_answers_took(
    db: Database, w: Witness
) -> None:
    first = await two_arms(db, w)
    second = begin(db, "ok", "same")
    await work_on(db, second)
    with db.read_scope() as session:
        before, after = run_json(session, first), run_json(session, second)
    assert (after["cost_usd"], after["calls"], after["cached"]) == ("0", 0, 8)
    assert after["tokens"] == {"input": 0, "output": 0}
    assert after["arms"][0]["cost_usd"] == before["arms"][0]["cost_usd"]
    assert after["arms"][0]["tokens"] == before["arms"][0]["tokens"]
    assert after["arms"][0]["latency_ms"] == {"p50": None, "p95": None}


async def test_unpriced_is_null_never_0(db: Database, w: Witness) -> None:
    add_prompt(db)
    add_model(db, w, "ok")
    add_cases(db, 2)
    run_id = begin(db, "ok")
    await work_on(db, run_id)
    with db.read_scope() as session:
        shown = run_json(session, run_id)
    assert shown["cost_usd"] is None
    assert shown["arms"][0]["cost_usd"] is None
    assert run_row(db, run_id).cost is None


async def test_gates_see_every_figure(sqlite_db: Database, w: Witness) -> None:
    run_id = await two_arms(sqlite_db, w, evaluators=("exact", "length"))
    with sqlite_db.read_scope() as session:
        (ok, _) = gate_figures(session, run_id)
    assert ok.arm == "ask@1 | ok"
    assert ok.figures["errors"] == 0
    assert ok.figures["share_good"] is None
    assert ok.figures["length"] == len("echo: t0")
    assert set(ok.figures) >= {"p50_ms", "p95_ms", "cost_usd", "cost_per_good_usd", "exact"}


@pytest.mark.parametrize("n", [1, 2, 3, 20, 99])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.95, 1.0])
def test_quantiles_are_those_of_numpy(n: int, share: float) -> None:
    values = sorted(float(x) for x in numpy.random.default_rng(n).normal(size=n))
    assert quantile(values, share) == pytest.approx(float(numpy.quantile(values, share)))


async def test_pages_of_the_matrix_go_forth_and_back(db: Database, w: Witness) -> None:
    run_id = await two_arms(db, w, cases=12, repeats=2)
    with db.read_scope() as session:
        first = matrix_page(session, run_id, limit=10)
        second = matrix_page(session, run_id, limit=10, after=first.after)
        third = matrix_page(session, run_id, limit=10, after=second.after)
        back = matrix_page(session, run_id, limit=10, before=third.before)
        start = matrix_page(session, run_id, limit=10, before=second.before)
    assert [row.key for row in first.rows] == list(range(10))
    assert [row.key for row in second.rows] == list(range(10, 20))
    assert [row.key for row in third.rows] == list(range(20, 24))
    assert (first.before, third.after) == (None, None)
    assert [row.key for row in back.rows] == [row.key for row in second.rows]
    assert ([row.key for row in start.rows], start.before) == (list(range(10)), None)
    row = second.rows[1]
    assert (row.case_id, row.position, row.repeat) == ("c5", 5, 2)
    assert [cell.preview for cell in row.cells if cell] == ["echo: t5", "yes"]


async def test_filters_choose_rows(db: Database, w: Witness) -> None:
    add_prompt(db, text="{{ topic }}")
    for model in ("ok", "same", "bad"):
        add_model(db, w, model, concurrency=1)
    add_model(db, w, "r400", name="bad")
    w.reply("same", "echo: t1")
    add_cases(db, [{"topic": f"t{n}", "note": "Köln" if n == 2 else None} for n in range(3)])
    run_id = begin(db, "ok", "same", evaluators=("contains:t1",))
    await work_on(db, run_id)
    label(db, run_id, 0, "good")
    label(db, run_id, 1, "good")
    label(db, run_id, 2, "good")
    label(db, run_id, 2, None)

    def keys(**filters: object) -> list[int]:
        with db.read_scope() as session:
            return [row.key for row in matrix_page(session, run_id, **filters).rows]  # type: ignore[arg-type]

    assert keys() == [0, 1, 2]
    assert keys(show="different") == [0, 2]
    assert keys(show="unlabeled") == [1, 2]
    assert keys(show="failed") == []
    assert keys(score=ScoreFilter("contains", at_most=0)) == [0, 2]
    assert keys(score=ScoreFilter("contains", at_least=1)) == [0, 1, 2]
    assert keys(text="KÖLN") == [2]
    assert keys(text="echo: T0") == [0]
    other = begin(db, "ok", "bad")
    await work_on(db, other)
    with db.read_scope() as session:
        failed = matrix_page(session, other, show="failed")
    assert [row.key for row in failed.rows] == [0, 1, 2]
    assert failed.rows[0].cells[1].error_kind == "bad_request"  # type: ignore[union-attr]


async def test_a_cell_opens_with_its_request_attempts_scores_and_label(
    db: Database, w: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.limits._FIRST_DELAY", 0.01)
    add_prompt(db, text="{{ topic }}")
    add_model(db, w, "fail-2", params={"temperature": 0})
    add_cases(db, [{"topic": "a", "expected": "echo: a"}, {"topic": None}])
    run_id = begin(db, "fail-2", evaluators=("exact",))
    await work_on(db, run_id)
    label(db, run_id, 0, "bad")
    cell, unsent = (cell_detail(db, run_id, n) for n in (0, 1))
    with pytest.raises(NotFound):
        cell_detail(db, run_id, 2)
    assert cell.request == {
        "model": "fail-2",
        "messages": [{"role": "user", "content": "a"}],
        "temperature": 0,
    }
    assert [one["body"] for one in w.requests()][-1] == cell.request
    assert (cell.output, cell.state, cell.finish_reason) == ("echo: a", "succeeded", "stop")
    assert [one.outcome for one in cell.attempts] == ["server", "server", "answered"]
    assert [one.status for one in cell.attempts] == [500, 500, 200]
    assert [(one.evaluator, one.value) for one in cell.scores] == [("exact", 1)]
    assert cell.label is not None
    assert cell.label.label == "bad"
    assert (unsent.state, unsent.request, unsent.attempts) == ("failed", None, [])
