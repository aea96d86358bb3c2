"""Trying an evaluator on real answers of a run, before it scores whole runs or costs anything."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from connectors.body import build_body
from connectors.prices import cost
from connectors.tokens import count_messages
from connectors.wire import ChatRequest, Message, Usage
from evalsets.evaluators.kinds import AnyJudge
from evalsets.evaluators.subjects import Subject
from evalsets.labels.state import cells_labels
from evalsets.models import Answer, Case, Cell, Label, Run
from evalsets.runs.budget import DEFAULT_OUTPUT, output_limit
from evalsets.runs.cells import get_run
from evalsets.runs.evaluation import freeze_evaluators
from evalsets.runs.judge_calls import judge_inputs, judge_requests
from evalsets.runs.manifest import Arm, FrozenEvaluator, FrozenJudge, Manifest
from evalsets.runs.prepare import Rendered, Unrunnable
from evalsets.runs.relevance import given_texts, marks_of, passages_of, relevant_to
from prompts.template import renderer

COUNT = 3
_LOOKED_AT = 200


class Sample(NamedTuple):
    """An answered cell; `label` is what people say of it: good, bad, skip, or None."""

    number: int
    arm: str
    case_id: str
    repeat: int
    label: str | None
    subject: Subject


class JudgeCall(NamedTuple):
    """A call that a judge's score takes; `cost` in US dollars, None where it is unpriced.

    `messages` are those on the wire. The answer counts as `max_tokens`, else 256.
    """

    request: ChatRequest
    messages: Sequence[Message]
    input_tokens: int
    output_tokens: int
    cost: Decimal | None


def runs_to_try(session: Session, limit: int = 50) -> list[Run]:
    """Runs with answers, newest first."""
    query = select(Run).where(col(Run.succeeded) > 0).order_by(col(Run.id).desc())
    return list(session.exec(query.limit(limit)))


def samples(session: Session, run_id: str, count: int = COUNT) -> list[Sample]:
    """Answers of different cases: good and bad ones in turn where people said so, then the first.

    Raises NotFound.
    """
    manifest = Manifest.model_validate(get_run(session, run_id).manifest)
    numbers = _chosen(session, run_id, count)
    query = (
        select(Cell, Case, Answer)
        .join(Case, col(Case.id) == col(Cell.case_ref))
        .join(Answer, col(Answer.id) == col(Cell.answer_id))
        .where(Cell.run_id == run_id, col(Cell.number).in_(numbers))
    )
    found = {cell.number: (cell, case, answer) for cell, case, answer in session.exec(query)}
    labels = cells_labels(session, run_id, numbers)
    return [
        Sample(
            number,
            manifest.arms[cell.arm].name,
            case.case_id,
            cell.repeat,
            labels[number].label,
            replace(
                _subject(session, manifest.arms[cell.arm], cell, case, answer),
                other=_other(session, cell),
            ),
        )
        for number in numbers
        for cell, case, answer in [found[number]]
    ]


def _chosen(session: Session, run_id: str, count: int) -> list[int]:
    here = select(Cell.number, Cell.case_ref, Cell.arm).where(
        Cell.run_id == run_id, Cell.state == "succeeded"
    )
    here = here.order_by(col(Cell.number)).limit(_LOOKED_AT)
    labeled = here.where(col(Cell.item_key).in_(select(Label.item_key)))
    rows = [*session.exec(labeled), *session.exec(here)]
    cases = {number: case for number, case, _ in rows}
    arms = {number: arm for number, _, arm in rows}
    labels = cells_labels(session, run_id, list(cases))
    good, bad = ([n for n in cases if labels[n].label == word] for word in ("good", "bad"))
    return spread(cases, good, bad, count, arms)


def spread(
    cases: Mapping[int, int],
    good: Sequence[int],
    bad: Sequence[int],
    count: int,
    arms: Mapping[int, int] = {},
) -> list[int]:
    """`count` of the cells in `cases` (number to case): good and bad in turn, then the first.

    A case comes twice only where there are too few, and so does an arm of `arms` (number to arm).
    """
    chosen: list[int] = []
    turns = [(good, bad)[at % 2] for at in range(count)]
    for numbers in (*turns, *[sorted(cases)] * count):
        taken = {cases[number] for number in chosen}
        shown = [arms.get(number) for number in chosen]
        left = [number for number in numbers if cases[number] not in taken]
        chosen += sorted(left, key=lambda n: (shown.count(arms.get(n)), n))[:1]
    rest = [number for number in sorted(cases) if number not in chosen]
    return [*chosen, *rest][:count]


def _subject(session: Session, arm: Arm, cell: Cell, case: Case, answer: Answer) -> Subject:
    texts = given_texts(session, [cell.sources or []])
    return Subject(
        output=answer.output,
        inputs=case.inputs,
        expected=case.expected,
        tool_calls=answer.tool_calls,
        latency_ms=answer.latency_ms,
        cost=answer.cost,
        output_tokens=answer.output_tokens,
        schema=arm.prompt.content.outputs if arm.prompt else None,
        finish_reason=answer.finish_reason,
        tags=case.tags,
        sources=cell.sources,
        relevant=relevant_to(arm, case.inputs, marks_of(session, [arm])),
        passages=passages_of(cell.sources, texts),
    )


def _other(session: Session, cell: Cell) -> str | None:
    """What another arm answered to the same case: the first one, or the second beside the first."""
    query = (
        select(Answer.output)
        .join(Cell, col(Cell.answer_id) == col(Answer.id))
        .where(Cell.run_id == cell.run_id, Cell.case_ref == cell.case_ref)
        .where(Cell.repeat == cell.repeat, Cell.arm != cell.arm)
    )
    return session.exec(query.order_by(col(Cell.arm)).limit(1)).first()


def freeze_for(session: Session, run_id: str, spec: Mapping[str, Any]) -> FrozenEvaluator:
    """An evaluator as a run like this one would freeze it; raises Invalid and NotFound."""
    manifest = Manifest.model_validate(get_run(session, run_id).manifest)
    models = [arm.model for arm in manifest.arms if arm.model is not None and arm.app is None]
    return freeze_evaluators(session, [spec], models)[0]


def judge_calls(
    judge: AnyJudge, frozen: FrozenJudge, subjects: Sequence[Subject]
) -> list[JudgeCall | Unrunnable]:
    """What would be asked about each answer, and what it takes; renders, so no session is open."""
    content, inputs = frozen.prompt, judge_inputs(judge, frozen, subjects)
    good = [one for one in inputs if not isinstance(one, Unrunnable)]
    made = renderer().render_many(content.messages, good, content.threads, content.includes)
    return [_call(frozen, request) for request in judge_requests(frozen, inputs, made)]


def _call(frozen: FrozenJudge, request: Rendered) -> JudgeCall | Unrunnable:
    if isinstance(request, Unrunnable):
        return request
    model = frozen.model
    messages: Any = build_body(model.target, request)["messages"]
    usage = Usage(
        count_messages(messages, model.settings.model).n, output_limit(request) or DEFAULT_OUTPUT
    )
    priced = cost(usage, model.price)
    return JudgeCall(request, messages, usage.input_tokens, usage.output_tokens, priced)
