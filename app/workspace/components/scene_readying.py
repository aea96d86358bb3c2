"""What the columns of a scene would ask with its values: rendered, not sent."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from app.workspace.components.composing import composed
from app.workspace.components.working import checked, declared
from connectors.service import ModelPublic
from connectors.wire import ChatRequest
from core.canonical import content_hash
from core.errors import Invalid, PromptstoneError
from prompts.content import PromptContent, Variable, typed_inputs
from prompts.scene import Column, SceneState
from prompts.template import renderer


class Readied(NamedTuple):
    """What a column asks with the present values."""

    content: PromptContent
    request: ChatRequest

    @property
    def params(self) -> dict[str, Any]:
        return dict(self.request.params)

    def hash(self, model: str | None) -> str:
        """Of model and request, by which an answer is known to be of another question."""
        asked = self.request
        return content_hash([model, asked.messages, asked.params, asked.schema, asked.tools])


def content_of(column: Column) -> PromptContent:
    """A stored version as it pinned its snippets, a changed text with them as they are now."""
    found = checked(column.content)
    typed = column.changed or not found.includes
    return composed(column.prompt or "", found) if typed else found


def variables(state: SceneState) -> list[Variable]:
    """What the columns read, each variable once, as the first of them declares it."""
    found: dict[str, Variable] = {}
    for column in state.columns:
        try:
            content = content_of(column)
            report = renderer().variables_of(content)
        except PromptstoneError:
            continue  # told at the column
        for variable in declared(content.model_dump(mode="json"), report.used):
            if variable.name in report.used:
                found.setdefault(variable.name, variable)
    return list(found.values())


def given(state: SceneState, known: Sequence[Variable]) -> dict[str, Any]:
    """The values that all columns get: those given, and the examples that their fields show."""
    examples = {v.name: v.example for v in known if v.example is not None}
    return {**examples, **{k: v for k, v in state.values.items() if v is not None}}


def readied(column: Column, values: Mapping[str, Any], model: ModelPublic) -> Readied:
    """The request of a column; raises PromptstoneError when it cannot be made."""
    content = content_of(column)
    messages = renderer().render_content(content, typed_inputs(content, values)).messages
    params = {**model.settings.params, **content.options}
    request = ChatRequest(
        messages, params=params, schema=content.outputs, tools=content.tools or None
    )
    return Readied(content, request)


class Drawn(NamedTuple):
    """What a drawing of the board knew: a press that finds nothing changed renders nothing."""

    state: SceneState
    models: Mapping[str, ModelPublic]
    values: Mapping[str, Any]
    readied: Mapping[str, Readied]


def attempt(
    column: Column, values: Mapping[str, Any], models: Mapping[str, ModelPublic]
) -> Readied | PromptstoneError:
    """The request of a column, or why it cannot be made: a fault is that column's own."""
    model = models.get(column.model or "")
    if model is None:
        return Invalid(f"There is no model {column.model!r}. Choose another one.")
    try:
        return readied(column, values, model)
    except PromptstoneError as error:
        return error
