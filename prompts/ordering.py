"""Several prompts in an order in which each snippet stands before what includes it."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from core.names import split_ref
from prompts.content import PromptContent

T = TypeVar("T")


def snippets_first(
    items: Sequence[T], name_of: Callable[[T], str], content_of: Callable[[T], PromptContent]
) -> list[T]:
    """`items`, all of a name behind all of the names that they include; else in their order.

    A circle keeps the order it came in: saving it says what is wrong.
    """
    groups: dict[str, list[T]] = {}
    for item in items:
        groups.setdefault(name_of(item), []).append(item)
    done: dict[str, bool] = {}
    made: list[T] = []
    stack = [(name, False) for name in reversed(groups)]
    while stack:
        name, left = stack.pop()
        if left:
            made += groups[name]
        elif name not in done:
            done[name] = True
            stack.append((name, True))
            refs = [one.ref for item in groups[name] for one in content_of(item).includes]
            below = dict.fromkeys(split_ref(ref)[0] for ref in reversed(refs))
            stack += [(one, False) for one in below if one in groups and one not in done]
    return made
