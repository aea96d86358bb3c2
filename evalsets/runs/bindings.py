"""Which column of a data set fills which variable of a prompt."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from core.errors import Invalid
from evalsets.runs.manifest import Arm
from prompts.template import renderer
from rag.answer import variables_of


class Binding(NamedTuple):
    """`[PROMPT:]VARIABLE=COLUMN`; without a prompt it holds for all."""

    prompt: str | None
    variable: str
    column: str


def parse_binding(text: str) -> Binding:
    """`news:topic=subject` to its parts."""
    left, equals, column = text.partition("=")
    prompt, colon, variable = left.rpartition(":")
    if not (equals and variable and column):
        raise Invalid(
            f"{text!r} is no mapping. Write VARIABLE=COLUMN or PROMPT:VARIABLE=COLUMN.", param="map"
        )
    return Binding(prompt if colon else None, variable, column)


def bound(arms: Iterable[Arm], bindings: Sequence[Binding]) -> tuple[Arm, ...]:
    """The arms with their columns; a binding of one prompt wins over one for all.

    Raises Invalid for a binding of a prompt that no arm has.
    """
    found = tuple(arms)
    names = {arm.prompt.name for arm in found if arm.prompt is not None}
    for binding in bindings:
        if binding.prompt is not None and binding.prompt not in names:
            raise Invalid(
                f"The mapping names {binding.prompt!r}, which is not in this run. Name one of "
                f"{', '.join(sorted(names))}.",
                param="map",
            )
    return tuple(
        arm.model_copy(update={"mapping": _mapping(arm.prompt.name, bindings)})
        if arm.prompt is not None
        else arm
        for arm in found
    )


def unread(arms: Iterable[Arm]) -> tuple[str, ...]:
    """Bound variables that no prompt reads, such as mistyped ones; compiles templates."""
    mapped = [(arm.prompt, arm.mapping) for arm in arms if arm.prompt and arm.mapping]
    contents = {prompt.hash: prompt.content for prompt, _ in mapped}
    reads = {
        key: variables_of(content, renderer().variables_of(content))
        for key, content in contents.items()
    }
    found = {name for prompt, mapping in mapped for name in mapping if name in reads[prompt.hash]}
    bound_names = dict.fromkeys(name for _, mapping in mapped for name in mapping)
    return tuple(name for name in bound_names if name not in found)


def _mapping(prompt: str, bindings: Sequence[Binding]) -> dict[str, str]:
    mapping = {one.variable: one.column for one in bindings if one.prompt is None}
    return mapping | {one.variable: one.column for one in bindings if one.prompt == prompt}
