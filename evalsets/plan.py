"""What a run would do, before it does anything: calls, cached share, tokens, cost, minutes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import median, median_low
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from connectors.tokens import count_messages
from connectors.wire import ChatRequest
from core.database import Database
from core.errors import Invalid
from evalsets.budget import Guess, Guesser, output_limit, text_bytes
from evalsets.ledger import ZERO, plus
from evalsets.manifest import Arm, FrozenModel, Manifest
from evalsets.models import Answer, Case, Cell, Run
from evalsets.prepare import Unrunnable, render_requests, request_key

_CASES_AT_ONCE = 500
_KEYS_AT_ONCE = 1000
_SAMPLE = 40
_RUNS_BACK = 20
_ANSWERS_BACK = 301
_LATENCY_MS = 2000.0


class Tokens(NamedTuple):
    """Tokens in and out."""

    input: int
    output: int


@dataclass(frozen=True)
class Evaluation:
    """What the judges add; they are counted apart."""

    calls: int
    tokens: Tokens
    cost_usd: Decimal | None


@dataclass(frozen=True)
class Plan:
    """`cells` = `calls` + `cached` + `unrunnable`; `cost_usd` None when a model is unpriced."""

    cells: int
    calls: int
    cached: int
    unrunnable: int
    tokens: Tokens
    cost_usd: Decimal | None
    unpriced: tuple[str, ...]
    minutes: float
    evaluation: Evaluation


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
        },
    }


class History(NamedTuple):
    """Medians of earlier answers of a prompt on a model; None where there are none."""

    output_tokens: int | None
    latency_ms: float | None


@dataclass
class _ArmPlan:
    arm: Arm
    history: History
    calls: int = 0
    cached: int = 0
    unrunnable: int = 0
    bytes: int = 0
    output: int = 0
    sample: list[ChatRequest] = field(default_factory=list[ChatRequest])
    missing: dict[str, int] = field(default_factory=dict[str, int])


def make_plan(database: Database, manifest: Manifest, version_id: int) -> Plan:
    """Render every case on every arm and look the calls up; no transaction stays open meanwhile.

    Raises Invalid when a variable is missing in every case.
    """
    with database.read_scope() as session:
        histories = [_history(session, arm) for arm in manifest.arms]
    arms = [_ArmPlan(arm, past) for arm, past in zip(manifest.arms, histories, strict=True)]
    seen: set[str] = set()
    cases = 0
    for inputs in _cases(database, version_id, manifest.limit):
        cases += len(inputs)
        for arm in arms:
            _plan_cases(database, manifest, arm, inputs, seen)
    for arm in arms:
        _refuse_missing(arm, cases)
    return _total(manifest, arms, cases)


def _cases(
    database: Database, version_id: int, limit: int | None
) -> Iterator[Sequence[dict[str, Any]]]:
    after, left = -1, limit if limit is not None else 1 << 62
    while left > 0:
        query = (
            select(Case.position, Case.inputs)
            .where(Case.version_id == version_id, col(Case.position) > after)
            .order_by(col(Case.position))
            .limit(min(left, _CASES_AT_ONCE))
        )
        with database.read_scope() as session:
            rows = session.exec(query).all()
        if not rows:
            return
        after, left = rows[-1][0], left - len(rows)
        yield [inputs for _, inputs in rows]


def _plan_cases(
    database: Database,
    manifest: Manifest,
    plan: _ArmPlan,
    cases: Sequence[dict[str, Any]],
    seen: set[str],
) -> None:
    arm, repeats = plan.arm, range(1, manifest.repeats + 1)
    assert arm.model is not None
    keys: dict[str, ChatRequest] = {}
    for request in render_requests(arm, cases):
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
            _add_call(plan, request)


def _add_call(plan: _ArmPlan, request: ChatRequest) -> None:
    plan.calls += 1
    plan.bytes += text_bytes(request)
    plan.output += Guesser(plan.history.output_tokens).guess(request).output_tokens
    if len(plan.sample) < _SAMPLE:
        plan.sample.append(request)


def _answered(database: Database, keys: Sequence[str]) -> set[str]:
    found: set[str] = set()
    with database.read_scope() as session:
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            some = keys[start : start + _KEYS_AT_ONCE]
            query = select(Answer.request_key).where(col(Answer.request_key).in_(some)).distinct()
            found.update(key for key in session.exec(query) if key is not None)
    return found


def _refuse_missing(plan: _ArmPlan, cases: int) -> None:
    for name, times in plan.missing.items():
        if cases and times == cases:
            raise Invalid(
                f"The variable {name!r} of {plan.arm.name} has no value in any case. Map a column "
                f"to it with --map {name}=COLUMN, or give it a default in the prompt.",
                param=name,
            )


def _history(session: Session, arm: Arm) -> History:
    """Answers of this prompt (any version) on this model in the newest runs."""
    assert arm.prompt is not None
    assert arm.model is not None
    outputs: list[int] = []
    latencies: list[float] = []
    query = (
        select(Run.id, Run.manifest)
        .where(col(Run.imported).is_(False))
        .order_by(col(Run.id).desc())
        .limit(_RUNS_BACK)
    )
    for run_id, manifest in session.exec(query).all():
        places = [at for at, other in enumerate(manifest["arms"]) if _same(arm, other)]
        if places and len(outputs) < _ANSWERS_BACK:
            for tokens, latency in _answers(session, run_id, places):
                outputs.append(tokens or 0)
                latencies.append(latency or 0.0)
    if not outputs:
        return History(None, None)
    return History(median_low(outputs), median(latencies))


def _same(arm: Arm, other: dict[str, Any]) -> bool:
    prompt, model = other.get("prompt") or {}, other.get("model") or {}
    assert arm.prompt is not None
    assert arm.model is not None
    return prompt.get("name") == arm.prompt.name and model.get("name") == arm.model.name


def _answers(
    session: Session, run_id: str, arms: Iterable[int]
) -> Iterable[tuple[int | None, float | None]]:
    query = (
        select(Answer.output_tokens, Answer.latency_ms)
        .join(Cell, col(Cell.answer_id) == col(Answer.id))
        .where(Cell.run_id == run_id, col(Cell.arm).in_(list(arms)))
        .limit(_ANSWERS_BACK)
    )
    return session.exec(query).all()


def _total(manifest: Manifest, arms: Sequence[_ArmPlan], cases: int) -> Plan:
    cost: Decimal | None = ZERO
    tokens = Tokens(0, 0)
    for plan in arms:
        guess = _guess(plan)
        tokens = Tokens(tokens.input + guess.input_tokens, tokens.output + guess.output_tokens)
        assert plan.arm.model is not None
        priced = plan.arm.model.price is not None
        cost = plus(cost, guess.cost(plan.arm.model.price) if priced or not plan.calls else None)
    models = [plan.arm.model for plan in arms if plan.arm.model is not None]
    models += [one.judge.model for one in manifest.judges if one.judge is not None]
    return Plan(
        cells=cases * len(arms) * manifest.repeats,
        calls=sum(plan.calls for plan in arms),
        cached=sum(plan.cached for plan in arms),
        unrunnable=sum(plan.unrunnable for plan in arms),
        tokens=tokens,
        cost_usd=cost,
        unpriced=tuple(dict.fromkeys(m.name for m in models if m.price is None)),
        minutes=round(_minutes(manifest, arms), 2),
        evaluation=_evaluation(manifest, arms, tokens),
    )


def _guess(plan: _ArmPlan) -> Guess:
    """Input tokens by the tokenizer on a sample, scaled by bytes to all calls."""
    if not plan.calls:
        return Guess(0, 0)
    assert plan.arm.model is not None
    model_id = plan.arm.model.settings.model
    counted = sum(count_messages(one.messages, model_id).n for one in plan.sample)
    sampled = sum(map(text_bytes, plan.sample))
    scale = plan.bytes / sampled if sampled else plan.calls / len(plan.sample)
    return Guess(round(counted * scale), plan.output)


def _minutes(manifest: Manifest, arms: Sequence[_ArmPlan]) -> float:
    """Models work side by side, each at its concurrency or what its rpm allows."""
    by_model: dict[str, float] = {}
    slowest: dict[str, float] = {}
    for plan in arms:
        assert plan.arm.model is not None
        settings = plan.arm.model.settings
        slots = manifest.concurrency or settings.concurrency
        seconds = plan.calls * (plan.history.latency_ms or _LATENCY_MS) / 1000 / slots
        name = plan.arm.model.name
        by_model[name] = by_model.get(name, 0.0) + seconds / 60
        if settings.rpm:
            slowest[name] = slowest.get(name, 0.0) + plan.calls / settings.rpm
    return max((max(by_model[name], slowest.get(name, 0.0)) for name in by_model), default=0.0)


def _evaluation(manifest: Manifest, arms: Sequence[_ArmPlan], tokens: Tokens) -> Evaluation:
    """Judges read the prompt's text, the case and the answer: about what the cells took."""
    cells = sum(plan.calls + plan.cached for plan in arms)
    calls, cost, total = 0, ZERO, Tokens(0, 0)
    for one in manifest.judges:
        assert one.judge is not None
        guess = _judge_guess(one.judge.model, one.judge.prompt.messages, cells, tokens)
        calls += cells
        total = Tokens(total.input + guess.input_tokens, total.output + guess.output_tokens)
        price = one.judge.model.price
        cost = plus(cost, guess.cost(price) if price is not None else None)
    return Evaluation(calls, total, cost)


def _judge_guess(model: FrozenModel, messages: Sequence[Any], cells: int, tokens: Tokens) -> Guess:
    rubric = sum(len(message.content.encode()) for message in messages) // 4
    limit = output_limit(ChatRequest([], model.settings.params))
    output = min(Guesser().guess(ChatRequest([])).output_tokens, limit or 1 << 30)
    return Guess(cells * rubric + tokens.input + tokens.output, cells * output)
