"""The figures of a run: its counts and, for every arm, labels, scores, latency, tokens and cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import func
from sqlmodel import Session, col, select

from evalsets.cells import values_by_case
from evalsets.gates import ArmFigures, Figure
from evalsets.labeled_arms import ArmLabels, costs_per_good, share_of_labels
from evalsets.ledger import ZERO
from evalsets.models import Answer, Cell, Run
from evalsets.quantiles import Interval
from evalsets.run_cells import RunCells, get_run, load_cells
from evalsets.scored_arms import evaluators_of, score_values, scores_of
from evalsets.scores import MeanScore, mean_score
from evalsets.statistics import CostPerGood


class Quantiles(NamedTuple):
    """Milliseconds over `n` answers; None where there are none. p95 is rough below 20."""

    n: int
    p50: float | None
    p95: float | None


@dataclass(frozen=True)
class ArmReport:
    """One arm. Tokens and cost are what its answers took when they were made, cached ones too."""

    arm: str
    prompt: str | None
    version: int | None
    model: str | None
    params: Mapping[str, Any]
    cells: int
    succeeded: int
    failed: int
    cached: int
    labels: ArmLabels
    scores: Mapping[str, MeanScore]
    latency_ms: Quantiles
    ttft_ms: Quantiles
    input_tokens: int
    output_tokens: int
    cost: Decimal | None
    cost_per_good: CostPerGood


def arm_reports(session: Session, run_id: str) -> list[ArmReport]:
    """Every arm in the manifest's order."""
    cells = load_cells(session, run_id)
    counts = _counts(session, run_id)
    spent = [_spent(session, run_id, arm) for arm in range(len(cells.arms))]
    labels = share_of_labels(session, run_id)
    succeeded = [counts.get((arm, "succeeded"), 0) for arm in range(len(cells.arms))]
    per_good = costs_per_good(session, run_id, [one.cost for one in spent], succeeded)
    scores = _scores(session, run_id, cells)
    reports: list[ArmReport] = []
    for arm, frozen in enumerate(cells.run.manifest["arms"]):
        prompt, model = frozen.get("prompt") or {}, frozen.get("model") or {}
        states = [counts.get((arm, state), 0) for state in ("pending", "succeeded", "failed")]
        reports.append(
            ArmReport(
                arm=frozen["name"],
                prompt=prompt.get("name"),
                version=prompt.get("version"),
                model=model.get("name"),
                params=frozen.get("params") or {},
                cells=sum(states),
                succeeded=states[1],
                failed=states[2],
                cached=spent[arm].cached,
                labels=labels[arm],
                scores={name: by_arm[arm] for name, by_arm in scores.items()},
                latency_ms=_quantiles(session, run_id, arm, col(Answer.latency_ms)),
                ttft_ms=_quantiles(session, run_id, arm, col(Answer.ttft_ms)),
                input_tokens=spent[arm].input_tokens,
                output_tokens=spent[arm].output_tokens,
                cost=spent[arm].cost,
                cost_per_good=per_good[arm],
            )
        )
    return reports


def _counts(session: Session, run_id: str) -> dict[tuple[int, str], int]:
    query = select(Cell.arm, Cell.state, func.count()).where(Cell.run_id == run_id)
    rows = session.connection().execute(query.group_by(col(Cell.arm), col(Cell.state)))
    return {(arm, state): number for arm, state, number in rows}


class _Spent(NamedTuple):
    input_tokens: int
    output_tokens: int
    cost: Decimal | None
    cached: int


def _spent(session: Session, run_id: str, arm: int) -> _Spent:
    """Costs are added up as decimals: grouped by their text, of which there are few."""
    query = (
        select(
            Answer.cost,
            func.count(),
            func.sum(Answer.input_tokens),
            func.sum(Answer.output_tokens),
            func.count().filter(col(Cell.cached)),
        )
        .join(Cell, col(Cell.answer_id) == col(Answer.id))
        .where(Cell.run_id == run_id, Cell.arm == arm)
        .group_by(col(Answer.cost))
    )
    given = made = cached = 0
    cost: Decimal | None = ZERO
    for price, number, inputs, outputs, taken in session.connection().execute(query):
        given, made, cached = given + (inputs or 0), made + (outputs or 0), cached + taken
        cost = None if price is None or cost is None else cost + price * number
    return _Spent(given, made, cost, cached)


def _quantiles(session: Session, run_id: str, arm: int, column: Any) -> Quantiles:
    """Of succeeded cells that were not cached: a cached one tells how fast it was another time."""
    query = (
        select(column)
        .join(Cell, col(Cell.answer_id) == col(Answer.id))
        .where(Cell.run_id == run_id, Cell.arm == arm, col(Cell.cached).is_(False))
        .where(column.is_not(None))
        .order_by(column)
    )
    values = list(session.connection().execute(query).scalars())
    return Quantiles(len(values), quantile(values, 0.5), quantile(values, 0.95))


def quantile(values: Sequence[float], share: float) -> float | None:
    """Of sorted values, linear between neighbours as `numpy.quantile` does by default."""
    if not values:
        return None
    place = share * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (place - low)


def _scores(session: Session, run_id: str, cells: RunCells) -> dict[str, list[MeanScore]]:
    found: dict[str, list[MeanScore]] = {}
    for name in evaluators_of(session, run_id):
        values = scores_of(session, run_id, name)
        found[name] = [
            mean_score(values_by_case(score_values(rows, values))) for rows in cells.by_arm()
        ]
    return found


# -- JSON of the contract ---------------------------------------------------------------------


def run_json(session: Session, run_id: str) -> dict[str, Any]:
    """`run show --json`."""
    run = get_run(session, run_id)
    reports = arm_reports(session, run_id)
    return {**run_row(run), "arms": [arm_json(report) for report in reports]}


def run_row(run: Run) -> dict[str, Any]:
    """A run without its arms, as lists show it."""
    arms = run.manifest["arms"]
    prompts = [arm["prompt"] for arm in arms if arm.get("prompt")]
    models = [arm["model"]["name"] for arm in arms if arm.get("model")]
    return {
        "id": run.id,
        "title": run.title,
        "status": run.status,
        "reason": run.reason,
        "imported": run.imported,
        "prompts": list(dict.fromkeys(f"{one['name']}@{one['version']}" for one in prompts)),
        "models": list(dict.fromkeys(models)),
        "dataset": f"{run.dataset}@{run.dataset_version}",
        "repeats": run.repeats,
        "cells": {
            "total": run.total,
            "succeeded": run.succeeded,
            "failed": run.failed,
            "pending": run.total - run.succeeded - run.failed,
        },
        "cached": run.cached,
        "interrupted": run.interrupted,
        "calls": run.calls,
        "tokens": {"input": run.input_tokens, "output": run.output_tokens},
        "cost_usd": _dollars(run.cost),
        "budget_usd": _dollars(run.budget),
        "evaluation": {
            "calls": run.judge_calls,
            "cached": run.judge_cached,
            "tokens": {"input": run.judge_input_tokens, "output": run.judge_output_tokens},
            "cost_usd": _dollars(run.judge_cost),
        },
        "seconds": run.seconds,
        "created_at": run.created_at.isoformat(),
        "actor": run.actor,
    }


def arm_json(report: ArmReport) -> dict[str, Any]:
    """An entry of `arms`."""
    labels, per_good = report.labels, report.cost_per_good
    ttft = report.ttft_ms
    return {
        "arm": report.arm,
        "prompt": report.prompt,
        "version": report.version,
        "model": report.model,
        "params": dict(report.params),
        "cells": report.cells,
        "succeeded": report.succeeded,
        "failed": report.failed,
        "cached": report.cached,
        "labels": {
            "good": labels.good,
            "bad": labels.bad,
            "skip": labels.skip,
            "unlabeled": labels.unlabeled,
            "disputed": labels.disputed,
        },
        "share_good": labels.share,
        "share_good_ci95": _interval(labels.ci95),
        "scores": {
            name: {"mean": score.mean, "n": score.n, "ci95": _interval(score.ci95)}
            for name, score in report.scores.items()
        },
        "latency_ms": {"p50": report.latency_ms.p50, "p95": report.latency_ms.p95},
        "ttft_ms": None if not ttft.n else {"p50": ttft.p50, "p95": ttft.p95},
        "tokens": {"input": report.input_tokens, "output": report.output_tokens},
        "cost_usd": _dollars(report.cost),
        "cost_per_good_usd": _dollars(per_good.cost_per_good),
    }


def _dollars(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"


def _interval(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def gate_figures(session: Session, run_id: str) -> list[ArmFigures]:
    """What gates may name, of every arm."""
    found: list[ArmFigures] = []
    for report in arm_reports(session, run_id):
        figures: dict[str, Figure] = {name: score.mean for name, score in report.scores.items()}
        figures |= {
            "share_good": report.labels.share,
            "errors": report.failed,
            "p50_ms": report.latency_ms.p50,
            "p95_ms": report.latency_ms.p95,
            "cost_usd": report.cost,
            "cost_per_good_usd": report.cost_per_good.cost_per_good,
        }
        found.append(ArmFigures(report.arm, figures))
    return found
