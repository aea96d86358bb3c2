"""One arm of a run: its labels, scores, latency, tokens and cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import func
from sqlalchemy import select as sql_select
from sqlmodel import Session, col, select

from evalsets.labels.state import label_state
from evalsets.models import Answer, Cell
from evalsets.runs.cells import get_run
from evalsets.runs.ledger import ZERO
from evalsets.statistics.scores import MeanScore
from evalsets.statistics.shares import CostPerGood
from evalsets.verdicts.labeled_arms import ArmLabels, costs_per_good, share_of_labels
from evalsets.verdicts.mean_scores import mean_scores


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
    arms = get_run(session, run_id).manifest["arms"]
    counts = _counts(session, run_id)
    spent = [_spent(session, run_id, arm) for arm in range(len(arms))]
    succeeded = [counts.get((arm, "succeeded"), 0) for arm in range(len(arms))]
    if label_state(session, run_id).votes:
        labels = share_of_labels(session, run_id)
        per_good = costs_per_good(session, run_id, [one.cost for one in spent], succeeded)
    else:  # the cells of a large run need not be read for nothing
        labels = [
            ArmLabels(arm["name"], 0, 0, 0, done, 0, None, None)
            for arm, done in zip(arms, succeeded, strict=True)
        ]
        per_good = [CostPerGood(None, None, None)] * len(arms)
    scores = mean_scores(session, run_id)
    reports: list[ArmReport] = []
    for arm, frozen in enumerate(arms):
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
                cost=spent[arm].cost if states[1] or _is_priced(model) else None,
                cost_per_good=per_good[arm],
            )
        )
    return reports


def _is_priced(model: Mapping[str, Any]) -> bool:
    """Without an answer there is no cost to tell it by; unpriced is never 0."""
    settings = model.get("settings") or {}
    return None not in (settings.get("input_price"), settings.get("output_price"))


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
    columns = (
        col(Answer.cost),
        func.count(),
        func.sum(Answer.input_tokens),
        func.sum(Answer.output_tokens),
        func.count().filter(col(Cell.cached)),
    )
    query = (
        sql_select(*columns)
        .join(Cell, col(Cell.answer_id) == col(Answer.id))
        .where(col(Cell.run_id) == run_id, col(Cell.arm) == arm)
        .group_by(col(Answer.cost))
    )
    given = made = cached = 0
    cost: Decimal | None = ZERO
    for row in session.connection().execute(query):
        price, number, inputs, outputs, taken = row
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
