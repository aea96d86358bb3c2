"""`{{item.x}}` and `{{sample.output_text}}` of OpenAI's evals as Jinja2."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from core.errors import Invalid
from prompts.conversion import text_of
from prompts.fields import check_variable
from prompts.foreign import mustache

_REFERENCE = re.compile(r"\{\{\s*(item|sample)\.([^{}\s]+)\s*\}\}")
OUTPUT = re.compile(r"\{\{\s*sample\.output_text\s*\}\}")
_ITEM = re.compile(r"\{\{\s*item\.([^{}\s]+)\s*\}\}")


def item_of(text: str) -> str | None:
    """`x` where a text is `{{item.x}}` and nothing else."""
    found = _ITEM.fullmatch(text.strip())
    return found[1] if found and "." not in found[1] else None


def as_prompt(text: str) -> str:
    """A message that is filled from an item: its fields are the prompt's variables."""
    return _replaced(text, _of_item)


def as_judge(text: str) -> str:
    """A message of a grader: the item is a judge's `inputs`, the sample its `output`."""
    return _replaced(text, _of_grader)


def filled(text: str, item: Mapping[str, Any]) -> str:
    """`{{item.x}}` replaced by values; raises Invalid for what the item does not have."""

    def value(found: re.Match[str]) -> str:
        if found[1] not in item:
            raise Invalid(f"It reads item.{found[1][:60]}, which is not there. Add the field.")
        return text_of(item[found[1]])

    return _ITEM.sub(value, text)


def _replaced(text: str, make: Callable[[str, str], str]) -> str:
    pieces: list[str] = []
    at = 0
    for found in _REFERENCE.finditer(text):
        pieces += [mustache.to_jinja(text[at : found.start()]), make(found[1], found[2])]
        at = found.end()
    return "".join([*pieces, mustache.to_jinja(text[at:])])


def _of_item(space: str, path: str) -> str:
    if space != "item":
        raise Invalid(f"It reads sample.{path[:60]}, which is no variable. Remove it.")
    head, *rest = path.split(".")
    try:
        check_variable(head)
    except ValueError as error:
        raise Invalid(f"{str(error).capitalize()}.") from None
    return f"{{{{ {head}{_keys(rest)} }}}}"


def _of_grader(space: str, path: str) -> str:
    if space == "sample":
        if path != "output_text":
            raise Invalid(f"It reads sample.{path[:60]}; a judge here reads the text alone.")
        return "{{ output }}"
    return f"{{{{ inputs{_keys(path.split('.'))} }}}}"


def _keys(parts: list[str]) -> str:
    if any("'" in part or "\\" in part for part in parts):
        raise Invalid("A name holds a quotation mark. Rename the field.")
    return "".join(f"['{part}']" for part in parts)
