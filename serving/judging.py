"""A judge on a share of an app's traffic, within a budget of its own a day.

A call is in the sample by a draw from its id, so that the sample does not depend on what was said
or on who judges when. What the judge says is kept beside the call; nonsense is unscored.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from sqlmodel import Session, col, select

from connectors.connections import Connections
from connectors.prices import Price, cost
from connectors.service import get_model, target_of
from connectors.wire import ChatError, ChatRequest, Target
from core.database import Database
from evalsets.evaluators.judge import Judge
from evalsets.evaluators.subjects import Score, Subject, unscored
from prompts.outcome import TemplateProblem
from prompts.template import renderer
from serving.models import App, Judgement, Trace, TraceContent
from serving.service import operations_of
from serving.settings import JudgedSample

RUBRIC = "The answer is correct, helpful, and does what was asked."
ACTOR = "system:judge"
_BACK = timedelta(days=1)
_AT_ONCE = 4
_LOOKED_AT = 500


class Due(NamedTuple):
    """A call that the judge is to be asked about."""

    trace: Trace
    content: TraceContent


class Work(NamedTuple):
    """What one app's sample needs now: its judge, how to ask it, and the calls."""

    app_id: str
    judge: Judge
    target: Target
    price: Price | None
    params: dict[str, object]
    due: tuple[Due, ...]


class Judged(NamedTuple):
    """A call's score and what it cost."""

    trace: Trace
    score: Score
    cost: Decimal | None


def in_sample(trace_id: str, share: float) -> bool:
    """Whether a call is in a sample of `share` (0 to 1) of all."""
    drawn = int.from_bytes(hashlib.sha256(trace_id.encode()).digest()[:8], "big")
    return drawn < share * 2**64


def work_of(session: Session, database: Database, app: App, now: datetime) -> Work | None:
    """The next calls of an app's sample; None when there are none, or its budget is used up."""
    sample = operations_of(app).judged
    if sample is None:
        return None
    model = get_model(session, sample.model)
    if not _affordable(session, app, sample, model.price, now):
        return None
    found = _due(session, app, sample, now)
    if not found:
        return None
    judge = Judge(rubric=sample.rubric.strip() or RUBRIC, model=sample.model)
    target = target_of(session, sample.model, database.settings.key_path)
    return Work(app.id, judge, target, model.price, dict(model.settings.params), found)


def _affordable(
    session: Session, app: App, sample: JudgedSample, price: Price | None, now: datetime
) -> bool:
    """A budget cannot be kept without a price: then nothing is asked."""
    if sample.budget_day is None:
        return True
    if price is None:
        return False
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    spent = select(col(Judgement.cost)).where(Judgement.app_id == app.id, col(Judgement.at) >= day)
    return sum((one or Decimal(0) for one in session.exec(spent)), Decimal(0)) < sample.budget_day


def _due(session: Session, app: App, sample: JudgedSample, now: datetime) -> tuple[Due, ...]:
    query = (
        select(Trace.id)
        .where(Trace.app_id == app.id, Trace.state == "succeeded", col(Trace.judged).is_(None))
        .where(col(Trace.at) > now - _BACK)
        .order_by(col(Trace.at).desc())
        .limit(_LOOKED_AT)
    )
    drawn = [one for one in session.exec(query) if in_sample(one, sample.share)][:_AT_ONCE]
    wanted = select(Trace, TraceContent).join(TraceContent, col(TraceContent.id) == Trace.id)
    return tuple(Due(*row) for row in session.exec(wanted.where(col(Trace.id).in_(drawn))))


async def ask(connections: Connections, work: Work) -> list[Judged]:
    """Ask the judge about each call; a failed request leaves the call for the next round."""
    inputs = [work.judge.variables(_subject(one)) for one in work.due]
    content = work.judge.content()
    rendered = await renderer().arender_many(
        content.messages, inputs, content.threads, content.includes
    )
    connector = connections.connector(work.target)
    judged: list[Judged] = []
    for due, made in zip(work.due, rendered, strict=True):
        if isinstance(made, TemplateProblem):
            judged.append(Judged(due.trace, unscored(made.sentence), Decimal(0)))
            continue
        request = ChatRequest(made.messages, params=work.params, schema=content.outputs)  # type: ignore[arg-type]
        try:
            answer = await connector.chat(request)
        except ChatError:
            break
        score = work.judge.parse(answer.text)
        judged.append(Judged(due.trace, score, cost(answer.usage, work.price)))
    return judged


def _subject(due: Due) -> Subject:
    """The inputs of a call with what its client said, and the answer."""
    said = {"messages": due.content.given} if due.content.given else {}
    return Subject(due.content.output, {**due.content.inputs, **said})


def keep(session: Session, work: Work, judged: Sequence[Judged]) -> None:
    """Write what the judge said; a call whose traces are gone meanwhile is passed over."""
    for one in judged:
        row = session.get(Trace, one.trace.id)
        if row is None:
            continue
        value = one.score.value
        row.judged = "unscored" if value is None else "good" if value >= 0.5 else "bad"
        session.add(row)
        session.merge(
            Judgement(
                trace_id=row.id,
                app_id=work.app_id,
                model=work.target.name,
                value=value,
                reason=one.score.reason,
                cost=one.cost,
            )
        )
    session.flush()
