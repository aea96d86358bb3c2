"""The figures of a run as JSON and for gates."""

from decimal import Decimal
from typing import Any

from sqlmodel import Session

from evalsets.models import Run
from evalsets.runs.arm_report import ArmReport, arm_reports
from evalsets.runs.cells import get_run
from evalsets.statistics.quantiles import Interval
from evalsets.verdicts.corrected_json import judges_json
from evalsets.verdicts.gates import ArmFigures, Figure
from evalsets.verdicts.steadiness import Steadiness, steadiness


def run_json(session: Session, run_id: str) -> dict[str, Any]:
    """`run show --json`."""
    run = get_run(session, run_id)
    reports = arm_reports(session, run_id)
    arms = [arm_json(report) for report in reports]
    if run.repeats > 1:
        for arm, steady in zip(arms, steadiness(session, run_id), strict=True):
            arm["steadiness"] = {by: _steady(one) for by, one in steady.items()}
    judges = judges_json(session, run)
    return {**run_row(run), "arms": arms, **({"judges": judges} if judges else {})}


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
            "budget_usd": run.manifest.get("judge_budget"),
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


def _steady(one: Steadiness) -> dict[str, Any]:
    unsteady = one.flicker
    return {
        "passes": [
            {
                "k": found.k,
                "n_cases": found.n_cases,
                "left_out": found.left_out,
                "pass_at_k": found.pass_at_k,
                "pass_at_k_ci95": _interval(found.pass_at_k_ci95),
                "pass_hat_k": found.pass_hat_k,
                "pass_hat_k_ci95": _interval(found.pass_hat_k_ci95),
            }
            for found in one.passes
        ],
        "n_cases": unsteady.n_cases,
        "flicker": unsteady.flicker,
        "flicker_ci95": _interval(unsteady.ci95),
        "two_disagree": unsteady.two_disagree,
    }


def _dollars(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"


def _interval(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def gate_figures(session: Session, run_id: str) -> list[ArmFigures]:
    """What gates may name, of every arm; an evaluator that has scored nothing yet is null."""
    found: list[ArmFigures] = []
    asked = [one["name"] for one in get_run(session, run_id).manifest.get("evaluators") or ()]
    for report in arm_reports(session, run_id):
        figures: dict[str, Figure] = dict.fromkeys(asked)
        figures |= {name: score.mean for name, score in report.scores.items()}
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
