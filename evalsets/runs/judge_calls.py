"""What a judge is sent about an answer: its prompt filled, or why there is nothing to ask."""

from collections.abc import Mapping, Sequence

from connectors.wire import ChatRequest
from core.canonical import Json
from evalsets.evaluators.grounded_judges import Faithfulness
from evalsets.evaluators.judge import Judge
from evalsets.evaluators.kinds import AnyJudge
from evalsets.evaluators.pairwise import Pairwise
from evalsets.evaluators.subjects import Subject
from evalsets.runs.manifest import FrozenJudge
from evalsets.runs.prepare import Rendered, Unrunnable
from prompts.template import RenderedPrompt, TemplateProblem

Inputs = Mapping[str, Json] | Unrunnable


def judge_inputs(judge: AnyJudge, frozen: FrozenJudge, subjects: Sequence[Subject]) -> list[Inputs]:
    """The variables of a judge's prompt for each answer, in their order."""
    given = frozen.prompt.inputs
    defaults = {one.name: one.default for one in given if one.default is not None}
    return [_inputs(judge, subject, defaults) for subject in subjects]


def _inputs(judge: AnyJudge, subject: Subject, defaults: Mapping[str, Json]) -> Inputs:
    why = _unfit(judge, subject)
    return Unrunnable("unfit", why) if why else {**defaults, **judge.variables(subject)}


def _unfit(judge: AnyJudge, subject: Subject) -> str | None:
    """Why there is nothing to ask about an answer."""
    if isinstance(judge, (Judge, Pairwise)):
        return judge.unfit(subject)
    if not isinstance(judge, Faithfulness):
        return None
    if subject.sources and len(subject.passages) < len(subject.sources):
        return "a passage that it was given has been removed from the knowledge base"
    return judge.unfit(subject)


def judge_requests(
    frozen: FrozenJudge,
    inputs: Sequence[Inputs],
    made: Sequence[RenderedPrompt | TemplateProblem],
) -> list[Rendered]:
    """The judge's calls; `made` are its prompts rendered with those inputs that can be asked."""
    results = iter(made)
    return [
        one if isinstance(one, Unrunnable) else _request(frozen, next(results)) for one in inputs
    ]


def _request(judge: FrozenJudge, made: RenderedPrompt | TemplateProblem) -> Rendered:
    if isinstance(made, TemplateProblem):
        return Unrunnable("template", f"The judge's prompt failed. {made.sentence}")
    settings = judge.model.settings
    return ChatRequest(
        messages=made.messages,
        params={**settings.params, **judge.prompt.options},
        schema=judge.prompt.outputs if settings.structured != "off" else None,
    )
