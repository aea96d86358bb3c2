"""What is checked before a version is saved, outside of any transaction."""

from jsonschema.exceptions import SchemaError
from jsonschema.validators import Draft202012Validator

from core.errors import Invalid
from prompts.content import PromptContent
from prompts.template import VariableReport, renderer


def check_content(content: PromptContent) -> VariableReport:
    """Compile the templates and check the output schema; the variables the templates read.

    Raises TemplateError with message and line, or Invalid.
    """
    if not content.messages:
        raise Invalid("The prompt has no message. Write at least one.", param="messages")
    if content.outputs is not None:
        try:
            Draft202012Validator.check_schema(content.outputs)
        except SchemaError as error:
            where = error.json_path.removeprefix("$.")
            raise Invalid(
                f"The output schema is wrong at {where}: {error.message[:200]}. Correct it.",
                param="outputs",
            ) from None
    return renderer().variables(content.messages)
