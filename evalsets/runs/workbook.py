"""A run as a workbook: its cells, its arms, and the comparisons of its verdict."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, BinaryIO

from sqlmodel import Session

from core.database import Database
from evalsets.files.export import Sheet, write_workbook
from evalsets.labels.state import label_state
from evalsets.runs.arm_report import ArmReport, arm_reports
from evalsets.runs.rows import Row
from evalsets.statistics.quantiles import Interval
from evalsets.verdicts.as_json import verdict_json
from evalsets.verdicts.looks import LABEL
from evalsets.verdicts.scored_arms import evaluators_of
from evalsets.verdicts.service import verdict

_ARM = (
    *("arm", "prompt", "version", "model", "cells", "succeeded", "failed", "cached"),
    *("good", "bad", "skip", "unlabeled", "disputed", "share_good", "share_good_low"),
    *("share_good_high", "p50_ms", "p95_ms", "input_tokens", "output_tokens", "cost_usd"),
    "cost_per_good_usd",
)
_COMPARISON = (
    *("by", "baseline", "candidate", "n_pairs", "n_cases", "difference", "difference_low"),
    *("difference_high", "p_value", "p_adjusted", "method", "verdict", "labels_needed", "both"),
    *("only_candidate", "only_baseline", "neither", "skipped", "disputed", "unlabeled", "failed"),
)
Flat = dict[str, Any]


def write_run_workbook(
    database: Database, run_id: str, columns: Sequence[str], rows: Iterable[Row], out: BinaryIO
) -> int:
    """Sheets cells (`columns` of `rows`), arms and comparisons; returns how many cells."""
    with database.read_scope() as session:
        evaluators = evaluators_of(session, run_id)
        arms = [_arm(one) for one in arm_reports(session, run_id)]
        comparisons = list(_comparisons(session, run_id, evaluators))
    scores = [f"{part} {name}" for name in evaluators for part in ("mean", "n", "low", "high")]
    sheets = (
        Sheet("cells", columns, rows),
        Sheet("arms", (*_ARM, *scores), arms),
        Sheet("comparisons", _COMPARISON, comparisons),
    )
    return write_workbook(sheets, out)


def _arm(one: ArmReport) -> Flat:
    labels = one.labels
    found: Flat = {name: getattr(one, name, None) for name in _ARM}
    found |= {name: getattr(labels, name) for name in _ARM[8:13]}
    found |= {
        "share_good": labels.share,
        "p50_ms": one.latency_ms.p50,
        "p95_ms": one.latency_ms.p95,
        "cost_usd": one.cost,
        "cost_per_good_usd": _rounded(one.cost_per_good.cost_per_good),
        **_bounds("share_good_", labels.ci95),
    }
    for name, score in one.scores.items():
        found |= {f"mean {name}": score.mean, f"n {name}": score.n}
        found |= {f"{edge} {name}": bound for edge, bound in _bounds("", score.ci95).items()}
    return found


def _rounded(value: Decimal | None) -> float | None:
    """A quotient of decimals has more digits than a cell of a sheet holds."""
    return None if value is None else float(value)


def _bounds(prefix: str, ci95: Interval | Sequence[float] | None) -> Flat:
    low, high = (None, None) if ci95 is None else (ci95[0], ci95[1])
    return {f"{prefix}low": low, f"{prefix}high": high}


def _comparisons(session: Session, run_id: str, evaluators: Sequence[str]) -> Iterator[Flat]:
    """By labels, where there are some, then by each evaluator."""
    labeled = [LABEL] if label_state(session, run_id).votes else []
    for by in [*labeled, *evaluators]:
        for one in verdict_json(verdict(session, run_id, by=by))["comparisons"]:
            yield {"by": by, **one, **_bounds("difference_", one["difference_ci95"])}
