"""An app's settings as a file: what stands in it replaces what the app has, the rest stays.

The fields of AppSettings stand at the top, those of Operations under `operations`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from core.errors import Invalid
from prompts.front_matter import load
from serving.making import checked, fault
from serving.settings import AppSettings, Operations

OPERATIONS = "operations"


class Changed(NamedTuple):
    """What an app has after a file; None where the file says nothing of it."""

    settings: AppSettings | None
    operations: Operations | None


def read(data: bytes) -> dict[str, Any]:
    """The mapping in a file of YAML or JSON; raises Invalid naming the line, TooLarge."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid("The settings file is not UTF-8 text. Save it as UTF-8.") from None
    return load(text, what="settings file")


def put_over(settings: AppSettings, operations: Operations, document: Mapping[str, Any]) -> Changed:
    """Settings and operations with what stands in the file; raises Invalid naming the field."""
    given = {name: value for name, value in document.items() if name != OPERATIONS}
    _known(given, AppSettings.model_fields, f"{OPERATIONS} with its own fields, and ")
    whole = checked({**settings.model_dump(), **given}) if given else None
    if OPERATIONS not in document:
        return Changed(whole, None)
    run = document[OPERATIONS]
    if not isinstance(run, dict):
        raise Invalid(
            "`operations` of the settings file is no mapping. Indent its fields below it."
        )
    _known(run, Operations.model_fields, "under operations ")
    return Changed(whole, operations_of({**operations.model_dump(), **run}))


def operations_of(fields: Mapping[str, Any]) -> Operations:
    """Operations from their fields; raises Invalid that names the first one at fault."""
    try:
        return Operations.model_validate(fields)
    except ValidationError as error:
        raise Invalid(f"The app's operations are wrong: {fault(error)}. Correct it.") from None


def _known(given: Mapping[str, Any], fields: Mapping[str, Any], where: str) -> None:
    for name in given:
        if name not in fields:
            raise Invalid(
                f"The settings file has no field {str(name)[:60]!r}. It may have {where}"
                f"{', '.join(fields)}.",
                param="settings",
            )
