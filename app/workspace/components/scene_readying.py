"""What the columns of a scene would ask with its values: rendered, not sent."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from app.workspace.components.base_passages import INTO, Filled, filled
from app.workspace.components.composing import composed
from app.workspace.components.working import checked, declared
from connectors.service import ModelPublic
from connectors.wire import ChatRequest
from core.canonical import content_hash
from core.errors import Invalid, PromptstoneError
from prompts.content import PromptContent, Variable
from prompts.scene import Column, SceneState
from prompts.template import renderer


class Readied(NamedTuple):
    """What a column asks with the present values."""

    content: PromptContent
    request: ChatRequest
    filled: Filled

    @property
    def params(self) -> dict[str, Any]:
        return dict(self.request.params)

    def hash(self, model: str | None) -> str:
        """Of model and request, by which an answer is known to be of another question.

        Of passages it covers what they are found by, so that it is known before they are.
        """
        asked = self.request
        messages = asked.messages if self.filled.base is None else self._question()
        return content_hash([model, messages, asked.params, asked.schema, asked.tools])

    def _question(self) -> list[Any]:
        base = self.filled.base
        assert base is not None
        parts = (*self.content.messages, *self.content.includes, base.settings)
        values = {name: self.filled.values.get(name) for name in self.filled.asked}
        texts = [one.model_dump(mode="json") for one in parts]
        return [*texts, values, base.frozen.base_id, base.frozen.snapshot]


def content_of(column: Column) -> PromptContent:
    """A stored version as it pinned its snippets, a changed text with them as they are now."""
    found = checked(column.content)
    typed = column.changed or not found.includes
    return composed(column.prompt or "", found) if typed else found


class Reads(NamedTuple):
    """What is asked of who types, each variable once, and the columns that take passages."""

    variables: list[Variable]
    passages: frozenset[str]


def reads(state: SceneState) -> Reads:
    """What the columns read; a variable is as the first of them declares it.

    That of the passages is not asked where each column that reads it has a base.
    """
    found: dict[str, Variable] = {}
    passages: set[str] = set()
    for column in state.columns:
        try:
            content = content_of(column)
            report = renderer().variables_of(content)
        except PromptstoneError:
            continue  # told at the column
        if INTO in report.used:
            passages.add(column.id)
        given_by_base = {INTO} if column.kb is not None else set[str]()
        for variable in declared(content.model_dump(mode="json"), report.used):
            if variable.name in report.used and variable.name not in given_by_base:
                found.setdefault(variable.name, variable)
    return Reads(list(found.values()), frozenset(passages))


def given(state: SceneState, known: Sequence[Variable]) -> dict[str, Any]:
    """The values that all columns get: those given, and the examples that their fields show."""
    examples = {v.name: v.example for v in known if v.example is not None}
    return {**examples, **{k: v for k, v in state.values.items() if v is not None}}


def readied(
    column: Column, values: Mapping[str, Any], model: ModelPublic, *, seek: bool = True
) -> Readied:
    """The request of a column; raises PromptstoneError when it cannot be made.

    Without `seek` the passages of a base are those that were found lately, or none.
    """
    content = content_of(column)
    found = filled(content, values, column.kb, column.search, seek=seek)
    messages = renderer().render_content(content, found.values).messages
    params = {**model.settings.params, **content.options}
    request = ChatRequest(
        messages, params=params, schema=content.outputs, tools=content.tools or None
    )
    return Readied(content, request, found)


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
