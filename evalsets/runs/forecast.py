"""What calls that were not made yet will take: tokens, cost, minutes, from what was before."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import median, median_low
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from connectors.tokens import count_messages
from connectors.wire import ChatRequest
from evalsets.evaluators.pairwise import Pairwise
from evalsets.models import Answer, Cell, Run
from evalsets.runs.budget import Guess, Guesser, output_limit, text_bytes
from evalsets.runs.judged_pairs import base_arm
from evalsets.runs.ledger import ZERO, plus
from evalsets.runs.manifest import Arm, FrozenEvaluator, FrozenModel, Manifest

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
    budget_usd: Decimal | None = None


@dataclass(frozen=True)
class Plan:
    """`cells` = `calls` + `cached` + `unrunnable`; `cost_usd` None when a model is unpriced.

    `unread`: variables that a mapping binds and no prompt reads.
    """

    cells: int
    calls: int
    cached: int
    unrunnable: int
    tokens: Tokens
    cost_usd: Decimal | None
    unpriced: tuple[str, ...]
    minutes: float
    evaluation: Evaluation
    unread: tuple[str, ...] = ()


class History(NamedTuple):
    """Medians of earlier answers of a prompt on a model; None where there are none."""

    output_tokens: int | None
    latency_ms: float | None


@dataclass
class ArmPlan:
    """What one arm adds up to, with a sample of its requests."""

    arm: Arm
    history: History
    calls: int = 0
    cached: int = 0
    unrunnable: int = 0
    bytes: int = 0
    output: int = 0
    sample: list[ChatRequest] = field(default_factory=list[ChatRequest])
    missing: dict[str, int] = field(default_factory=dict[str, int])


def add_call(plan: ArmPlan, request: ChatRequest) -> None:
    """Count a call that would be sent."""
    plan.calls += 1
    plan.bytes += text_bytes(request)
    plan.output += Guesser(plan.history.output_tokens).guess(request).output_tokens
    if len(plan.sample) < _SAMPLE:
        plan.sample.append(request)


def history_of(session: Session, arm: Arm) -> History:
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


def earlier_outputs(session: Session, arms: Iterable[Arm]) -> list[int | None]:
    """The median tokens of earlier answers, by arm; None where there is none."""
    return [history_of(session, arm).output_tokens for arm in arms]


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


def total(manifest: Manifest, arms: Sequence[ArmPlan], cases: int) -> Plan:
    """The plan of all arms and judges together."""
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


def _guess(plan: ArmPlan) -> Guess:
    """Input tokens by the tokenizer on a sample, scaled by bytes to all calls."""
    if not plan.calls:
        return Guess(0, 0)
    assert plan.arm.model is not None
    model_id = plan.arm.model.settings.model
    counted = sum(count_messages(one.messages, model_id).n for one in plan.sample)
    sampled = sum(map(text_bytes, plan.sample))
    scale = plan.bytes / sampled if sampled else plan.calls / len(plan.sample)
    return Guess(round(counted * scale), plan.output)


def _minutes(manifest: Manifest, arms: Sequence[ArmPlan]) -> float:
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


def _evaluation(manifest: Manifest, arms: Sequence[ArmPlan], tokens: Tokens) -> Evaluation:
    """Judges read the prompt's text, the case and the answer: about what the cells took."""
    cells = sum(plan.calls + plan.cached for plan in arms)
    calls, cost, total = 0, ZERO, Tokens(0, 0)
    for one in manifest.judges:
        assert one.judge is not None
        asked = cells - _not_paired(one, manifest, arms)
        guess = _judge_guess(one.judge.model, one.judge.prompt.messages, asked, tokens)
        calls += asked
        total = Tokens(total.input + guess.input_tokens, total.output + guess.output_tokens)
        price = one.judge.model.price
        cost = plus(cost, guess.cost(price) if price is not None else None)
    return Evaluation(calls, total, cost, manifest.judge_budget)


def _not_paired(one: FrozenEvaluator, manifest: Manifest, arms: Sequence[ArmPlan]) -> int:
    """Cells that a judge of pairs is not asked about: those that the others are compared with."""
    if one.spec.get("kind") != "pairwise":
        return 0
    base = arms[base_arm(manifest, Pairwise.model_validate(one.spec))]
    return base.calls + base.cached


def _judge_guess(model: FrozenModel, messages: Sequence[Any], cells: int, tokens: Tokens) -> Guess:
    rubric = sum(len(message.content.encode()) for message in messages) // 4
    limit = output_limit(ChatRequest([], model.settings.params))
    output = min(Guesser().guess(ChatRequest([])).output_tokens, limit or 1 << 30)
    return Guess(cells * rubric + tokens.input + tokens.output, cells * output)
