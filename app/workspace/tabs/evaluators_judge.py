"""A judge on three answers of a run: first its prompts and what they cost, then its verdicts.

A judge of pairs is asked in both orders, as in a run.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, cast

import streamlit as st

from app.workspace.components import access, judge_agreement, judge_trial, live, numbers, tried
from app.workspace.components.judge_trial import Question
from app.workspace.components.tried import Told
from app.workspace.strings import raw, t
from connectors.models import Generation
from evalsets.evaluators.kinds import AnyJudge
from evalsets.evaluators.pairwise import TURNED, Pairwise
from evalsets.evaluators.specs import load_evaluator
from evalsets.evaluators.subjects import Score, unscored
from evalsets.runs.evaluation import in_orders
from evalsets.runs.prepare import Unrunnable
from evalsets.runs.trying import JudgeCall, Sample, freeze_for, judge_calls


def draw(name: str, run_id: str, spec: Mapping[str, Any], picked: Sequence[Sample]) -> None:
    """`name` is the evaluator that is open; `spec` its whole settings."""
    with access.reading() as session:
        frozen = freeze_for(session, run_id, spec)
    settings: Any = load_evaluator(spec)
    assert frozen.judge is not None
    orders = cast(tuple[AnyJudge, ...], in_orders(settings))
    found: dict[str, JudgeCall | Unrunnable] = {}
    for judge in orders:
        calls = judge_calls(judge, frozen.judge, [one.subject for one in picked])
        found |= zip((_key(judge, one) for one in picked), calls, strict=True)
    asked = {key: call for key, call in found.items() if not isinstance(call, Unrunnable)}
    question = Question(name, frozen.judge, asked)

    answers = judge_trial.answers(question)
    # The button stands outside of what is polled: its press must draw the page, which then polls.
    _foot(question, answers)

    def results() -> bool:
        answers = judge_trial.answers(question)
        for one in picked:
            tried.case(one, _told(orders, one, found, answers))
        return judge_trial.running(answers)

    live.live(results, alive=judge_trial.running(answers))
    judge_agreement.of_judge(run_id, spec)


def _key(judge: AnyJudge, one: Sample) -> str:
    """The cell, and whether it is asked about in the second order."""
    return (
        f"{one.number}{TURNED}" if isinstance(judge, Pairwise) and judge.turned else f"{one.number}"
    )


def _told(
    orders: Sequence[AnyJudge],
    one: Sample,
    found: Mapping[str, JudgeCall | Unrunnable],
    answers: Mapping[str, Generation],
) -> list[Told]:
    """Each order, and what both amount to; of another judge its one answer."""
    told: list[Told] = []
    for judge in orders:
        key = _key(judge, one)
        call = found[key]
        score = _score_of(judge, one, call, answers.get(key))
        order = _order(judge) if isinstance(judge, Pairwise) else None
        told.append(Told(score, None if isinstance(call, Unrunnable) else call, order))
    values = [one.score.value for one in told if one.score is not None]
    if len(values) == 2 and None not in values:
        together = values[0] if values[0] == values[1] else 0.5
        told.append(Told(Score(together, _verdict(together)), order=raw("evaluators.both_orders")))
    return told


def _order(judge: Pairwise) -> str:
    return raw("evaluators.order_second") if judge.turned else raw("evaluators.order_first")


def _verdict(together: float | None) -> str:
    """The same arm in both orders is that arm; anything else is a tie."""
    if together == 1:
        return raw("evaluators.both_this")
    return raw("evaluators.both_other") if together == 0 else raw("evaluators.both_tie")


def _foot(question: Question, answers: Mapping[str, Generation]) -> None:
    """What it takes, and the button that asks: above the cases, where it is seen at once."""
    if not question.calls:
        return
    money = numbers.money(_cost(question))
    st.caption(
        t(
            "evaluators.plan",
            n=len(question.calls),
            model=question.judge.model.name,
            input=numbers.count(sum(call.input_tokens for call in question.calls.values())),
            output=numbers.count(sum(call.output_tokens for call in question.calls.values())),
            cost=money,
        )
    )
    running = judge_trial.running(answers)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            t("evaluators.ask_again" if answers else "evaluators.ask", n=len(question.calls),
              cost=money),
            key="judge_ask", disabled=running, on_click=judge_trial.ask, args=(question,),
            icon=":material/play_arrow:",
        )  # fmt: skip
        if running:
            st.button(
                t("prompts.stop"), key="judge_stop", icon=":material/stop:",
                on_click=judge_trial.stop, args=(list(answers.values()),),
            )  # fmt: skip
            st.caption(t("evaluators.asking"))
    spent = [one.cost for one in answers.values() if one.state == "succeeded"]
    if spent and not running:
        paid = None if None in spent else sum((one or Decimal(0) for one in spent), Decimal(0))
        st.caption(t("evaluators.took", cost=numbers.money(paid)))


def _cost(question: Question) -> Decimal | None:
    """Of all calls together; None where the model has no price."""
    costs = [call.cost for call in question.calls.values()]
    return None if None in costs else sum((one or Decimal(0) for one in costs), Decimal(0))


def _score_of(
    judge: AnyJudge, one: Sample, call: JudgeCall | Unrunnable, answer: Generation | None
) -> Score | None:
    """What the judge's answer amounts to; None until there is one."""
    if isinstance(call, Unrunnable):
        return unscored(call.sentence)
    if answer is None or answer.state == "sent":
        return None
    if answer.state == "succeeded":
        return judge.parse(answer.output, one.subject)
    return unscored(answer.error or raw(f"prompts.state_{answer.state}"))
