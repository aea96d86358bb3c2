"""Scores on the way: evaluators beside the answer, judges as calls of the run."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import TypeAdapter
from sqlmodel import Session

from core.database import Database
from evalsets.evaluators.grounded import Cites, ContextRecall, Refused
from evalsets.evaluators.grounded_judges import Faithfulness
from evalsets.evaluators.judge import Judge
from evalsets.evaluators.kinds import (
    JUDGES,
    AnyJudge,
    Contains,
    Cost,
    Evaluator,
    Exact,
    JsonSchema,
    Latency,
    Length,
    Scorer,
)
from evalsets.evaluators.pairwise import Pairwise
from evalsets.evaluators.structures import ToolCall
from evalsets.evaluators.subjects import Relevant, Score, Subject, unscored
from evalsets.runs.feed import JudgedCell, KnownAnswer
from evalsets.runs.judge_calls import judge_inputs, judge_requests
from evalsets.runs.judged_pairs import base_arm
from evalsets.runs.lanes import Work
from evalsets.runs.manifest import Arm, FrozenEvaluator, FrozenJudge, Manifest
from evalsets.runs.outcomes import NamedScore
from evalsets.runs.prepare import Rendered, Unrunnable
from evalsets.runs.relevance import Marks, given_texts, passages_of, read_marks, relevant_to
from prompts.template import renderer

_CHEAP = (Exact, Contains, Length, Latency, Cost, ToolCall, ContextRecall, Cites, Refused)
_EVALUATOR: TypeAdapter[Evaluator] = TypeAdapter(Evaluator)
IMPLIED = "json_schema"
log = logging.getLogger("promptstone.runs")


class _Named(NamedTuple):
    name: str
    scorer: Scorer


class _Asked(NamedTuple):
    name: str
    settings: AnyJudge
    frozen: FrozenJudge


def open_scoring(database: Database, manifest: Manifest) -> "Scoring":
    """The evaluators of a run, with the marks that they need of its bases."""
    wanted = any(one.spec.get("kind") == "context_recall" for one in manifest.evaluators)
    return Scoring(manifest, read_marks(database, manifest.arms) if wanted else {})


class Scoring:
    """The evaluators of a run, ready to be applied to its answers."""

    def __init__(self, manifest: Manifest, marks: Marks) -> None:
        self._manifest = manifest
        self._arms = manifest.arms
        self._marks = marks
        own: list[_Named] = []
        self._judges: list[_Asked] = []
        for one in manifest.evaluators:
            settings = _EVALUATOR.validate_python(one.spec)
            if isinstance(settings, JUDGES):
                assert one.judge is not None
                self._judges.append(_Asked(one.name, settings, one.judge))
            else:
                own.append(_Named(one.name, settings))
        self._by_arm = [_with_implied(arm, own, manifest.evaluators) for arm in manifest.arms]
        self._schemas = [
            arm.prompt.content.outputs if arm.prompt else None for arm in manifest.arms
        ]

    async def scores(self, work: Work, known: KnownAnswer) -> list[NamedScore]:
        """What every evaluator without a model says; what may take long runs beside the loop."""
        scorers = self._by_arm[work.arm]
        if not scorers:
            return []
        subject = _subject(work, known, self._schemas[work.arm], self._relevant(work))
        if all(isinstance(one.scorer, _CHEAP) for one in scorers):
            return [_score(one, subject) for one in scorers]
        return await asyncio.to_thread(lambda: [_score(one, subject) for one in scorers])

    def _relevant(self, work: Work) -> Sequence[Relevant]:
        return relevant_to(self._arms[work.arm], work.inputs, self._marks)

    def verdict(self, work: Work, known: KnownAnswer) -> NamedScore:
        """What a judge's answer amounts to; nonsense is unscored."""
        assert work.judge is not None
        assert work.subject is not None
        asked = self._judges[work.judge]
        score = asked.settings.parse(known.output, work.subject)
        return NamedScore(asked.name, score.value, score.reason)

    def passages(
        self, session: Session, judge: int, cells: Sequence[JudgedCell]
    ) -> Mapping[str, str]:
        """The texts of all sources by chunk, for a judge that reads them."""
        settings, frozen = self._judges[judge].settings, self._judges[judge].frozen
        reads = isinstance(settings, Faithfulness) or (
            isinstance(settings, Judge)
            and settings.reads_context(one.name for one in frozen.prompt.inputs)
        )
        if not reads:
            return {}
        return given_texts(session, [cell.sources or [] for cell in cells])

    def paired(self, judge: int) -> int | None:
        """The arm that a judge of pairs compares with; None for other judges."""
        settings = self._judges[judge].settings
        return base_arm(self._manifest, settings) if isinstance(settings, Pairwise) else None

    def subjects(
        self,
        cells: Sequence[JudgedCell],
        texts: Mapping[str, str],
        others: Mapping[int, str] | None = None,
    ) -> list[Subject]:
        """What a judge is asked about, in the order of the cells; `others`: what it is beside."""
        beside = others or {}
        return [_judged(cell, texts, beside.get(cell.number)) for cell in cells]

    async def judge_requests(self, judge: int, subjects: Sequence[Subject]) -> list[Rendered]:
        """The judge's call for each answer, in their order."""
        asked = self._judges[judge]
        content, inputs = asked.frozen.prompt, judge_inputs(asked.settings, asked.frozen, subjects)
        good = [one for one in inputs if not isinstance(one, Unrunnable)]
        made = await renderer().arender_many(
            content.messages, good, content.threads, content.includes
        )
        return judge_requests(asked.frozen, inputs, made)


def _with_implied(
    arm: Arm, own: Sequence[_Named], evaluators: Sequence[FrozenEvaluator]
) -> list[_Named]:
    """An arm whose prompt has a schema is scored by it even if nobody asked, sent or not."""
    if arm.prompt is None or arm.prompt.content.outputs is None:
        return list(own)
    if any(one.name == IMPLIED for one in evaluators):
        return list(own)
    return [*own, _Named(IMPLIED, JsonSchema())]


def _score(one: _Named, subject: Subject) -> NamedScore:
    return NamedScore(one.name, *score_of(one.scorer, subject))


def score_of(scorer: Scorer, subject: Subject) -> Score:
    """What an evaluator says; its own mistake must not cost the answer."""
    try:
        return scorer.score(subject)
    except Exception as error:
        log.exception("evaluator %s failed", scorer.kind)
        return unscored(f"the evaluator failed: {type(error).__name__}: {error}")


def _subject(
    work: Work,
    known: KnownAnswer,
    schema: Mapping[str, Any] | None,
    relevant: Sequence[Relevant],
) -> Subject:
    return Subject(
        output=known.output,
        inputs=work.inputs,
        expected=work.expected,
        tool_calls=known.tool_calls,
        latency_ms=known.latency_ms,
        cost=known.cost,
        output_tokens=known.output_tokens,
        schema=schema,
        tags=work.tags,
        sources=work.sources,
        relevant=relevant,
    )


def _judged(cell: JudgedCell, texts: Mapping[str, str], other: str | None) -> Subject:
    return Subject(
        output=cell.output,
        inputs=cell.inputs,
        expected=cell.expected,
        tool_calls=cell.tool_calls,
        tags=cell.tags,
        sources=cell.sources,
        passages=passages_of(cell.sources, texts),
        other=other,
    )
