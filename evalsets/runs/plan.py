"""What a run would do, before it does anything: calls, cached share, tokens, cost, minutes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlmodel import col, select

from connectors.wire import ChatRequest
from core.database import Database
from core.errors import Invalid
from evalsets.models import Answer, Case
from evalsets.runs.bindings import unread
from evalsets.runs.forecast import ArmPlan, Plan, add_call, history_of, total
from evalsets.runs.manifest import Manifest
from evalsets.runs.prepare import Unrunnable, request_key
from evalsets.runs.retrieving import prepare_cases

_CASES_AT_ONCE = 500
_KEYS_AT_ONCE = 1000


def plan_json(plan: Plan) -> dict[str, Any]:
    """The plan as CONTRACT.md shows it."""
    judged = plan.evaluation
    return {
        "cells": plan.cells,
        "calls": plan.calls,
        "cached": plan.cached,
        "unrunnable": plan.unrunnable,
        "tokens": plan.tokens._asdict(),
        "cost_usd": None if plan.cost_usd is None else f"{plan.cost_usd:f}",
        "unpriced": list(plan.unpriced),
        "minutes": plan.minutes,
        "evaluation": {
            "calls": judged.calls,
            "tokens": judged.tokens._asdict(),
            "cost_usd": None if judged.cost_usd is None else f"{judged.cost_usd:f}",
            "budget_usd": None if judged.budget_usd is None else f"{judged.budget_usd:f}",
        },
    }


def make_plan(database: Database, manifest: Manifest, version_id: int) -> Plan:
    """Render every case on every arm and look the calls up; no transaction stays open meanwhile.

    Raises Invalid when a variable is missing in every case.
    """
    with database.read_scope() as session:
        histories = [history_of(session, arm) for arm in manifest.arms]
    arms = [ArmPlan(arm, past) for arm, past in zip(manifest.arms, histories, strict=True)]
    seen: set[str] = set()
    cases = 0
    for inputs in _cases(database, version_id, manifest):
        cases += len(inputs)
        for arm in arms:
            _plan_cases(database, manifest, arm, inputs, seen)
    for arm in arms:
        _refuse_missing(arm, cases)
    return replace(total(manifest, arms, cases), unread=unread(manifest.arms))


def _cases(
    database: Database, version_id: int, manifest: Manifest
) -> Iterator[Sequence[Mapping[str, Any]]]:
    after, left = -1, manifest.limit or 1 << 62
    while left > 0:
        query = (
            select(Case.position, Case.inputs)
            .where(Case.version_id == version_id, col(Case.position) > after)
            .order_by(col(Case.position))
            .limit(min(left, _CASES_AT_ONCE))
        )
        if manifest.split is not None:
            query = query.where(Case.split == manifest.split)
        with database.read_scope() as session:
            rows = session.exec(query).all()
        if not rows:
            return
        after, left = rows[-1][0], left - len(rows)
        yield [inputs for _, inputs in rows]


def _plan_cases(
    database: Database,
    manifest: Manifest,
    plan: ArmPlan,
    cases: Sequence[Mapping[str, Any]],
    seen: set[str],
) -> None:
    arm, repeats = plan.arm, range(1, manifest.repeats + 1)
    assert arm.model is not None
    keys: dict[str, ChatRequest] = {}
    for request, _ in prepare_cases(database, arm, cases):
        if isinstance(request, Unrunnable):
            plan.unrunnable += manifest.repeats
            for name in request.missing:
                plan.missing[name] = plan.missing.get(name, 0) + 1
            continue
        for repeat in repeats:
            key = request_key(arm.model, request, repeat)
            if key in seen:
                plan.cached += 1
            else:
                seen.add(key)
                keys[key] = request
    known = _answered(database, list(keys)) if manifest.cache else set[str]()
    plan.cached += len(known)
    for key, request in keys.items():
        if key not in known:
            add_call(plan, request)


def _answered(database: Database, keys: Sequence[str]) -> set[str]:
    found: set[str] = set()
    with database.read_scope() as session:
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            some = keys[start : start + _KEYS_AT_ONCE]
            query = select(Answer.request_key).where(col(Answer.request_key).in_(some)).distinct()
            found.update(key for key in session.exec(query) if key is not None)
    return found


def _refuse_missing(plan: ArmPlan, cases: int) -> None:
    for name, times in plan.missing.items():
        if cases and times == cases:
            raise Invalid(
                f"The variable {name!r} of {plan.arm.name} has no value in any case. Bind a column "
                f"to it as {name}=COLUMN (--map), or give it a default in the prompt.",
                param=name,
            )
