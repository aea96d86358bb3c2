"""All that a scene's page needs to know before it draws: read once for all columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.workspace.components import access, knowledge_rights, numbers, scene_rights
from app.workspace.components.scene_asking import Answers, answers
from app.workspace.components.scene_copy import SceneCopy
from app.workspace.components.scene_readying import Drawn, Readied, given, readied, reads
from app.workspace.strings import raw
from connectors.body import build_body
from connectors.service import ModelPublic, estimate, list_models, shown_target
from core.canonical import canonical_json
from core.errors import Invalid, PromptstoneError
from prompts.content import Variable
from prompts.models import PromptSummary
from prompts.outcome import TemplateError, TemplateProblem
from prompts.scene import Column
from prompts.service import list_prompts, snippet_names

_STREAMED = "stream=true"
_MOST_SHOWN = 120


@dataclass(frozen=True)
class Looks:
    """What is read and worked out for one drawing; `readied` and `faults` are by column.

    `problems` are those of the faults that are a template's; `snippets` is what it can include.
    `answers` lacks those `withheld` from who looks; `passages` are the columns that take some, and
    `bases` what these can read from.
    """

    models: Mapping[str, ModelPublic]
    prompts: Mapping[str, PromptSummary]
    answers: Answers
    variables: Sequence[Variable]
    readied: Mapping[str, Readied]
    faults: Mapping[str, str]
    estimate: str
    drawn: Drawn
    problems: Mapping[str, TemplateProblem]
    snippets: Sequence[str]
    withheld: frozenset[str]
    passages: frozenset[str]
    bases: Sequence[str]

    def is_stale(self, column: Column) -> bool:
        """Whether a column's answers are to something else than what it would ask now."""
        ready = self.readied.get(column.id)
        return bool(column.answers) and (ready is None or ready.hash(column.model) != column.asked)


def look(copy: SceneCopy) -> Looks:
    """Read the scene's surroundings and make its requests; nothing is sent."""
    state = copy.mine
    with access.reading() as session:
        models = {one.name: one for one in list_models(session)}
        prompts = {one.name: one for one in list_prompts(session, limit=200)}
        found = answers(session, state)
        withheld = scene_rights.withheld(session, state, found)
        snippets = snippet_names(session, "")
    known = reads(state)
    bases: Sequence[str] = ()
    if known.passages:
        with access.reading() as session:
            bases = knowledge_rights.readable_names(session)
    values = given(state, known.variables)
    ready: dict[str, Readied] = {}
    faults: dict[str, str] = {}
    problems: dict[str, TemplateProblem] = {}
    for column in state.columns:
        try:
            ready[column.id] = _readied(column, values, models)
        except PromptstoneError as error:
            faults[column.id] = error.message
            if isinstance(error, TemplateError):
                problems[column.id] = error.problem
    asked = [(models[c.model or ""], ready[c.id]) for c in state.columns if c.id in ready]
    said = _estimate(asked, state.repeats) if asked else ""
    drawn = Drawn(state, models, values, ready)
    seen = {key: row for key, row in found.items() if key not in withheld}
    return Looks(
        models, prompts, seen, known.variables, ready, faults, said, drawn, problems, snippets,
        withheld, known.passages, bases,
    )  # fmt: skip


def _readied(
    column: Column, values: Mapping[str, Any], models: Mapping[str, ModelPublic]
) -> Readied:
    model = models.get(column.model or "")
    if model is None:
        raise Invalid(raw("playground.no_model"))
    try:
        return readied(column, values, model, seek=False)
    except TemplateError:
        if column.kb is None:
            raise
        return readied(column, values, model)  # a template may need a passage


def _estimate(asked: Sequence[tuple[ModelPublic, Readied]], repeats: int) -> str:
    """Calls, tokens and money of one submission."""
    figures = [estimate(model, one.request.messages, one.params) for model, one in asked]
    costs = [figure.cost for figure in figures]
    priced = [one for one in costs if one is not None]
    total = sum(priced, Decimal(0)) * repeats if len(priced) == len(costs) else None
    is_whole = all(one.filled.is_whole for _, one in asked)
    return raw(
        "playground.estimate" if is_whole else "playground.estimate_without",
        calls=numbers.count(len(asked) * repeats),
        input=numbers.count(sum(one.input_tokens for one in figures) * repeats),
        output=numbers.count(sum(one.output_tokens for one in figures) * repeats),
        cost=numbers.money(total),
    )


def sent(model: ModelPublic, ready: Readied) -> str:
    """Everything that goes over the wire beside the messages."""
    body = build_body(shown_target(model), ready.request)
    parts = [f"{name}={_short(value)}" for name, value in body.items() if name != "messages"]
    return ", ".join([*parts, _STREAMED])


def _short(value: object) -> str:
    text = value if isinstance(value, str) else canonical_json(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 1]}…"


def of_model(model: ModelPublic | None) -> str:
    """The parameters that a model brings along itself."""
    params = {} if model is None else model.settings.params
    return ", ".join(f"{k}={_short(v)}" for k, v in params.items()) or raw("prompts.no_params")
