"""Field types of a prompt's content: what the database and canonical JSON can hold exactly."""

import math
import re
import unicodedata
from typing import Annotated, Any, cast

from pydantic import AfterValidator, Field

MAX_SOURCE = 1024 * 1024
MAX_DEPTH = 32
_JINJA_WORDS = frozenset({"true", "false", "none", "True", "False", "None", "and", "or", "not"}) | {
    *("in", "is", "if", "else", "loop", "self", "range", "dict", "namespace")
}
_IDENTIFIER = re.compile(r"[^\W\d]\w*")


def check_text(text: str) -> str:
    """The text with \\n line ends; ValueError for what no UTF-8 text of a database can hold."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\x00" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise ValueError("the text holds a NUL or half of a surrogate pair; remove it")
    return text


def check_json(value: Any, depth: int = MAX_DEPTH) -> Any:
    """The value, or ValueError if it is no JSON, too deep, or a number JSON would change."""
    if isinstance(value, str):
        return check_text(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise ValueError("a whole number needs more than 64 bits; write it as text")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("NaN and infinity are no JSON numbers; use null or text")
        return value
    if isinstance(value, list | tuple) and depth:
        return [check_json(item, depth - 1) for item in cast(list[Any], value)]
    if isinstance(value, dict) and depth:
        items = cast(dict[Any, Any], value).items()
        return {_key(key): check_json(item, depth - 1) for key, item in items}
    raise ValueError(f"only JSON values nested at most {MAX_DEPTH} deep can be kept here")


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise ValueError(f"the key {key!r} is not text; put it in quotes")
    return check_text(key)


def check_variable(name: str) -> str:
    """The name in NFC, or ValueError if a template could not read it."""
    name = unicodedata.normalize("NFC", name)
    if name in _JINJA_WORDS:
        raise ValueError(f"the variable {name!r} is a word of the template language; rename it")
    legal = _IDENTIFIER.fullmatch(name) and name.isidentifier() and not name.startswith("__")
    if not legal or len(name) > 128:
        raise ValueError(
            f"the variable {name[:60]!r} cannot be used; take letters, digits and _, such as topic"
        )
    return name


Source = Annotated[str, Field(max_length=MAX_SOURCE), AfterValidator(check_text)]
Text = Annotated[str, AfterValidator(check_text)]
JsonValue = Annotated[Any, AfterValidator(check_json)]
JsonObject = Annotated[dict[str, Any], AfterValidator(check_json)]
VariableName = Annotated[str, AfterValidator(check_variable)]
