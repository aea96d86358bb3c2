"""What is checked before a version is saved, outside of any transaction."""

from collections.abc import Mapping
from typing import Any, cast

from jsonschema.exceptions import SchemaError
from jsonschema.validators import Draft202012Validator

from core.errors import Invalid
from prompts.content import PromptContent
from prompts.include import Include, Pin
from prompts.json_schema import is_json_schema
from prompts.template import VariableReport, renderer


def check_content(content: PromptContent) -> VariableReport:
    """Compile the templates and check the output schema; the variables the templates read.

    Raises TemplateError with message and line, or Invalid.
    """
    if not content.messages:
        raise Invalid("The prompt has no message. Write at least one.", param="messages")
    if content.outputs is not None:
        check_schema(content.outputs)
    return renderer().variables_of(content)


def check_schema(schema: object) -> None:
    """Raises Invalid with the place at which this is no JSON schema of an answer."""
    if not isinstance(schema, dict) or not is_json_schema(cast(dict[str, Any], schema)):
        raise Invalid(
            "The output schema has no type. Write it as an object, such as "
            '{"type": "object", "properties": {}}.',
            param="outputs",
        )
    try:
        Draft202012Validator.check_schema(cast(dict[str, Any], schema))
    except SchemaError as error:
        where = error.json_path.removeprefix("$.")
        raise Invalid(
            f"The output schema is wrong at {where}: {error.message[:200]}. Correct it.",
            param="outputs",
        ) from None


def prepared(content: PromptContent, pins: Mapping[str, Pin] | None = None) -> PromptContent:
    """The content, checked, with what its messages include listed for the save that resolves it.

    `pins` are versions by reference that shall stay, as an export tells them. Raises as
    `check_content` does.
    """
    report = check_content(content)
    known = pins or {}
    free = Pin(0, "")
    includes = tuple(
        Include(
            ref=ref, version=known.get(ref, free).version, given=report.assigned,
            sha256=known.get(ref, free).sha256 or None,
        )
        for ref in report.includes
    )  # fmt: skip
    return content.model_copy(update={"includes": includes})
