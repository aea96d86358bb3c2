"""Values of a template without a text: functions and unfinished lists; part of the child.

Python prints an address in their place, which is another one in every process: the same case would
be another request. Wherever a template turns one into text, it is told what was probably meant.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
)
from typing import Any, NoReturn

from jinja2.runtime import BlockReference

_FUNCTIONS = (
    *(FunctionType, BuiltinFunctionType, MethodType, BlockReference),
    *(MethodDescriptorType, ClassMethodDescriptorType),
)
LAZY_FILTERS = (
    *("batch", "items", "map", "reject", "rejectattr", "reverse", "select", "selectattr"),
    *("slice", "unique"),
)


class FacelessError(Exception):
    """A value without a text was about to become one."""


class Function:
    """What may be called, but not printed."""

    __slots__ = ("_name", "_wrapped")

    def __init__(self, name: str, wrapped: Callable[..., Any]) -> None:
        self._name = name
        self._wrapped = wrapped

    def __call__(self, *args: Any, **values: Any) -> Any:
        return self._wrapped(*args, **values)

    def __repr__(self) -> NoReturn:
        raise FacelessError(f"{self._name} is a function, not a value; call it with ()")


class Lazy:
    """What a filter such as `map` gives: it can be gone through once."""

    __slots__ = ("_items", "_name")

    def __init__(self, name: str, items: Iterable[Any]) -> None:
        self._name = name
        self._items = iter(items)

    def __iter__(self) -> Iterator[Any]:
        return self._items

    def __next__(self) -> Any:
        return next(self._items)

    def __repr__(self) -> NoReturn:
        raise FacelessError(
            f"what |{self._name} gives is not a value yet; add |list or |join behind it"
        )


def faceless(name: str, value: Any) -> Any:
    """`value`, wrapped if it is a function."""
    return Function(name, value) if isinstance(value, _FUNCTIONS) else value


def lazy(name: str, made_by: Callable[..., Any]) -> Callable[..., Any]:
    """A filter whose iterators are wrapped; whatever else it gives stays as it is."""

    @wraps(made_by)
    def wrapped(*args: Any, **values: Any) -> Any:
        result = made_by(*args, **values)
        return Lazy(name, result) if isinstance(result, Iterator) else result

    return wrapped
