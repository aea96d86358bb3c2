"""Scores on the way: evaluators beside the answer, judges as calls of the run."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from connectors.wire import ChatRequest
from evalsets.evaluators.judge import Judge
from evalsets.evaluators.kinds import (
    Contains,
    Cost,
    Evaluator,
    Exact,
    JsonSchema,
    Latency,
    Length,
    Scorer,
)
from evalsets.evaluators.subjects import Subject
from evalsets.runs.feed import JudgedCell, KnownAnswer
from evalsets.runs.manifest import Arm, FrozenEvaluator, FrozenJudge, Manifest
from evalsets.runs.outcomes import NamedScore
from evalsets.runs.prepare import Rendered, Unrunnable
from prompts.template import TemplateProblem, renderer

_CHEAP = (Exact, Contains, Length, Latency, Cost)
_EVALUATOR: TypeAdapter[Evaluator] = TypeAdapter(Evaluator)
IMPLIED = "json_schema"
log = logging.getLogger("promptstone.runs")


class _Named(NamedTuple):
    name: str
    scorer: Scorer


class _Asked(NamedTuple):
    name: str
    settings: Judge
    frozen: FrozenJudge


class Scoring:
    """The evaluators of a run, ready to be applied to its answers."""

    def __init__(self, manifest: Manifest) -> None:
        own: list[_Named] = []
        self._judges: list[_Asked] = []
        for one in manifest.evaluators:
            settings = _EVALUATOR.validate_python(one.spec)
            if isinstance(settings, Judge):
                assert one.judge is not None
                self._judges.append(_Asked(one.name, settings, one.judge))
            else:
                own.append(_Named(one.name, settings))
        self._by_arm = [_with_implied(arm, own, manifest.evaluators) for arm in manifest.arms]
        self._schemas = [
            arm.prompt.content.outputs if arm.prompt else None for arm in manifest.arms
        ]

    async def scores(
        self, arm: int, inputs: Mapping[str, Any], expected: str | None, known: KnownAnswer
    ) -> list[NamedScore]:
        """What every evaluator without a model says; what may take long runs beside the loop."""
        scorers = self._by_arm[arm]
        if not scorers:
            return []
        subject = _subject(inputs, expected, known, self._schemas[arm])
        if all(isinstance(one.scorer, _CHEAP) for one in scorers):
            return [_score(one, subject) for one in scorers]
        return await asyncio.to_thread(lambda: [_score(one, subject) for one in scorers])

    def verdict(self, judge: int, known: KnownAnswer) -> NamedScore:
        """What a judge's answer amounts to; nonsense is unscored."""
        asked = self._judges[judge]
        score = asked.settings.parse(known.output)
        return NamedScore(asked.name, score.value, score.reason)

    async def judge_requests(self, judge: int, cells: Sequence[JudgedCell]) -> list[Rendered]:
        """The judge's call for each cell, in their order."""
        asked = self._judges[judge]
        content = asked.frozen.prompt
        defaults = {one.name: one.default for one in content.inputs if one.default is not None}
        inputs = [{**defaults, **asked.settings.variables(_judged(cell))} for cell in cells]
        made = await renderer().arender_many(content.messages, inputs, content.threads)
        return [_judge_request(asked.frozen, one) for one in made]


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
    try:
        score = one.scorer.score(subject)
    except Exception as error:  # an evaluator's own mistake must not cost the answer
        log.exception("evaluator %s failed", one.name)
        return NamedScore(one.name, None, f"the evaluator failed: {type(error).__name__}: {error}")
    return NamedScore(one.name, score.value, score.reason)


def _subject(
    inputs: Mapping[str, Any],
    expected: str | None,
    known: KnownAnswer,
    schema: Mapping[str, Any] | None,
) -> Subject:
    return Subject(
        output=known.output,
        inputs=inputs,
        expected=expected,
        tool_calls=known.tool_calls,
        latency_ms=known.latency_ms,
        cost=known.cost,
        output_tokens=known.output_tokens,
        schema=schema,
    )


def _judged(cell: JudgedCell) -> Subject:
    return Subject(
        output=cell.output,
        inputs=cell.inputs,
        expected=cell.expected,
        tool_calls=cell.tool_calls,
    )


def _judge_request(judge: FrozenJudge, made: Any) -> Rendered:
    if isinstance(made, TemplateProblem):
        return Unrunnable("template", f"The judge's prompt failed. {made.sentence}")
    settings = judge.model.settings
    return ChatRequest(
        messages=made.messages,
        params={**settings.params, **judge.prompt.options},
        schema=judge.prompt.outputs if settings.structured != "off" else None,
    )
