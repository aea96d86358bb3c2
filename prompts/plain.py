"""What may enter a template: exact plain values, and threads of chat messages."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from core.errors import Invalid
from prompts.conversion import is_message
from prompts.fields import MAX_DEPTH

PlainInputs = dict[str, Any]
_SCALARS = frozenset((str, int, float, bool, type(None)))
_MAX_BITS = 8192


class NotPlainError(Invalid, TypeError):
    """A value is an object: only str, int, float, bool, None, list and dict reach a template."""


def check_plain(values: Mapping[str, Any]) -> PlainInputs:
    """The inputs as they are, or NotPlainError for anything but exact plain types."""
    if type(values) is not dict:
        raise NotPlainError(
            f"Inputs must be a plain dict, not {type(values).__name__}. Convert them."
        )
    for name, value in values.items():
        if type(name) is not str:
            raise NotPlainError(f"The variable name {name!r} is not text. Use a str as its name.")
        if type(value) is not str:
            _check(value, name, MAX_DEPTH)
    return cast(PlainInputs, values)


def _check(value: Any, where: str, depth: int) -> None:
    kind = type(value)
    if kind is int and value.bit_length() > _MAX_BITS:
        raise Invalid(f"The number in {where!r} is too long. Pass it as text.")
    if kind in _SCALARS:
        return
    if kind not in (list, dict):
        raise NotPlainError(
            f"The value of {where!r} is of type {kind.__name__}. "
            "Pass plain text, numbers, booleans, lists or dictionaries."
        )
    if not depth:
        raise Invalid(f"The value of {where!r} is nested more than {MAX_DEPTH} deep. Flatten it.")
    if kind is dict:
        _check_keys(value, where)
        value = value.values()
    for item in value:
        _check(item, where, depth - 1)


def _check_keys(keys: Iterable[object], where: str) -> None:
    for key in keys:
        if type(key) is not str:
            raise NotPlainError(f"The key {key!r} in {where!r} is not text. Use a str as key.")


def check_threads(values: PlainInputs, threads: Iterable[str]) -> None:
    """Refuse an input of kind thread that is not a list of `{role, content}` of texts."""
    for name in threads:
        items = values.get(name, [])
        if not isinstance(items, list) or not all(map(is_message, cast(list[Any], items))):
            raise Invalid(
                f"The thread {name!r} is not a list of messages. Give a list such as "
                '[{"role": "user", "content": "Hello"}] with roles system, user or assistant.',
                param=name,
            )
