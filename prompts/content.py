"""What a prompt version holds: messages, settings, variables, output schema and tools."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from connectors.parameters import RESERVED
from core import canonical
from core.errors import Invalid
from prompts.conversion import ConversionError, convert
from prompts.fields import JsonObject, JsonValue, Source, Text, VariableName
from prompts.include import Include, check_includes
from prompts.json_schema import is_json_schema
from prompts.mocks import ToolMock, name_of

Role = Literal["system", "user", "assistant"]
Kind = Literal["text", "number", "boolean", "choice", "list", "json", "thread"]
MAX_MESSAGES = 200

# One rendered chat message as it goes over the wire: `{"role": …, "content": …}`.
Message = dict[str, str]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MessageTemplate(_Frozen):
    """One message of a prompt; `content` is Jinja2 source with \\n line ends."""

    role: Role
    content: Source


class Variable(_Frozen):
    """One input of a prompt.

    `default` null means there is none; with `required` false it may be left out even so. A
    `choice` is one of `choices`; a `thread` is a list of `{role, content}`.
    """

    name: VariableName
    kind: Kind = "text"
    default: JsonValue = None
    example: JsonValue = None
    description: Text = ""
    choices: tuple[JsonValue, ...] = ()
    required: bool = True

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.kind == "choice" and not self.choices:
            raise ValueError(f"the choice {self.name!r} has no choices; list them")
        if self.choices and self.kind != "choice":
            raise ValueError(f"{self.name!r} has choices but is no choice; change its kind")
        if self.default is not None:
            try:
                converted(self, self.default)
            except ConversionError as error:
                raise ValueError(f"the default of {self.name!r} {error}") from None
        return self


class PromptContent(_Frozen):
    """Everything that a version's hash covers.

    `options` are the model's parameters by their wire names (`temperature`, `max_tokens`),
    `outputs` is a JSON schema, `tools` are in OpenAI's form, `mocks` what they are said to answer
    in trials and runs, `includes` the snippets at their versions with their texts. What came later
    is left out of the JSON where it is empty, so that the hashes of older versions stay.
    """

    messages: tuple[MessageTemplate, ...] = Field(default=(), max_length=MAX_MESSAGES)
    model: Text | None = None
    options: JsonObject = Field(default_factory=dict)
    inputs: tuple[Variable, ...] = ()
    outputs: JsonObject | None = None
    tools: tuple[JsonObject, ...] = ()
    includes: tuple[Include, ...] = ()
    mocks: tuple[ToolMock, ...] = Field(default=(), max_length=200)

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        names = [variable.name for variable in self.inputs]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the variable {name!r} is declared twice; remove one")
        for name in sorted(self.options.keys() & RESERVED):
            raise ValueError(f"the option {name!r} is set for each call; remove it")
        if self.outputs is not None and not is_json_schema(self.outputs):
            raise ValueError("outputs is no JSON schema; give it a type such as object")
        check_includes(self.includes)
        tools = {name_of(tool) for tool in self.tools}
        for mock in self.mocks:
            if mock.tool not in tools:
                raise ValueError(f"the mocked tool {mock.tool!r} is none of the tools; remove it")
        return self

    @model_serializer(mode="wrap")
    def _without_empty(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data = handler(self)
        for name in ("includes", "mocks"):
            if not data.get(name):
                data.pop(name, None)
        return data

    @property
    def threads(self) -> frozenset[str]:
        """Names of the inputs that are inserted as messages."""
        return frozenset(v.name for v in self.inputs if v.kind == "thread")


class InputError(Invalid):
    """Inputs that do not fit the declared variables.

    `missing` names those without value and default, `bad` those of the wrong type.
    """

    def __init__(self, missing: tuple[str, ...], bad: Mapping[str, str]) -> None:
        parts = [f"The variable {name!r} {why}" for name, why in bad.items()]
        if missing:
            names = ", ".join(map(repr, missing))
            parts.append(f"No value for {names}: give one, or a default in the prompt")
        super().__init__("; ".join(parts) + ".", param=next(iter((*bad, *missing)), None))
        self.missing = missing
        self.bad = dict(bad)


def content_hash(content: PromptContent) -> str:
    """Hex sha256 of the canonical JSON of the content (DESIGN: rules of the data)."""
    return canonical.content_hash(content.model_dump(mode="json"))


def converted(variable: Variable, raw: Any) -> Any:
    """`raw`, a text or a value already typed, as the variable's kind; raises ConversionError."""
    return convert(variable.kind, raw, variable.choices)


def typed_inputs(content: PromptContent, raw: Mapping[str, Any]) -> dict[str, Any]:
    """The variables' values for one rendering.

    Texts, as from CSV, take the declared kind. Absent or null means the default; without one, an
    optional variable is empty (`""`, `[]` or None) and a required one missing. Empty text is a
    value of a text, and null for a kind that has no empty value, as CSV has no other null.
    Undeclared names pass as they are. Raises InputError naming every variable at fault.
    """
    values = {name: value for name, value in raw.items() if value is not None}
    missing: list[str] = []
    bad: dict[str, str] = {}
    for variable in content.inputs:
        value = values.get(variable.name)
        if value is None or _is_blank(variable, value):
            value = variable.default
        if value is None:
            if variable.required:
                missing.append(variable.name)
            values[variable.name] = _empty(variable.kind)
            continue
        try:
            values[variable.name] = converted(variable, value)
        except ConversionError as error:
            bad[variable.name] = str(error)
    if missing or bad:
        raise InputError(tuple(missing), bad)
    return values


def _is_blank(variable: Variable, value: Any) -> bool:
    if not isinstance(value, str) or value.strip():
        return False
    return variable.kind in ("number", "boolean", "json") or (
        variable.kind == "choice" and value not in variable.choices
    )


def _empty(kind: Kind) -> Any:
    if kind in ("list", "thread"):
        return []
    return "" if kind in ("text", "choice") else None
