"""Cases from a parameter grid: every combination of a few variables, or a seeded sample of them."""

import math
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import orjson

from core.canonical import Json, content_hash
from core.errors import Invalid, TooLarge
from evalsets.files.cases import RECOGNIZED, CaseRow, ParsedCases
from evalsets.files.limits import MAX_ROWS

_VALUE = re.compile(r'\s*"((?:[^"]|"")*)"\s*(,|$)|([^,]*)(,|$)', re.DOTALL)


@dataclass(frozen=True)
class Axis:
    """A variable and the values it takes, in their order."""

    name: str
    values: tuple[Json, ...]


def parse_axis(text: str) -> Axis:
    """`K=V1,V2,...`; a value in double quotes may hold commas and is a text.

    A number, `true` or `false` is one if writing it as JSON gives the same text (`1.10` stays a
    text). Raises Invalid.
    """
    name, equals, rest = text.partition("=")
    name = name.strip()
    if not equals or not name:
        raise Invalid(f"{text[:60]!r} is no axis. Write NAME=VALUE,VALUE.", param="axis")
    values: list[Json] = []
    position, more = 0, True
    while more:
        found = _VALUE.match(rest, position)
        if found is None or (found.group(3) or "").lstrip().startswith('"'):
            raise Invalid(
                f"The quotes of axis {name!r} do not match. Close them, and write a quote inside "
                'as "".',
                param="axis",
            )
        values.append(_value(name, found))
        position = found.end()
        more = "," in (found.group(2), found.group(4))
    return Axis(name, tuple(values))


def _value(name: str, found: re.Match[str]) -> Json:
    quoted, bare = found.group(1), (found.group(3) or "").strip()
    if quoted is not None:
        return str(quoted).replace('""', '"')
    if not bare:
        raise Invalid(
            f'Axis {name!r} has an empty value. Remove the comma, or write "" for an empty text.',
            param="axis",
        )
    try:
        value: Json = orjson.loads(bare)
    except ValueError:
        return bare
    return value if orjson.dumps(value).decode() == bare else bare


def count_combinations(axes: Sequence[Axis]) -> int:
    """How many cases the whole grid has, without making one; raises Invalid for a bad grid."""
    names = [axis.name for axis in axes]
    for axis in axes:
        if axis.name in RECOGNIZED:
            raise Invalid(f"{axis.name!r} means something in a data set. Rename the axis.")
        if names.count(axis.name) > 1:
            raise Invalid(f"There are two axes {axis.name!r}. Join their values in one.")
        if not axis.values:
            raise Invalid(f"Axis {axis.name!r} has no value. Give at least one.")
        if len({orjson.dumps(value) for value in axis.values}) < len(axis.values):
            raise Invalid(f"Axis {axis.name!r} has the same value twice. Remove one.")
    if not axes:
        raise Invalid("The grid has no axis. Give at least one, such as tone=formal,casual.")
    return math.prod(len(axis.values) for axis in axes)


def combination(axes: Sequence[Axis], index: int) -> dict[str, Json]:
    """The combination number `index`, the last axis changing fastest (mixed-radix digits)."""
    digits: list[int] = []
    for axis in reversed(axes):
        index, digit = divmod(index, len(axis.values))
        digits.append(digit)
    return {
        axis.name: axis.values[digit] for axis, digit in zip(axes, reversed(digits), strict=True)
    }


def combinations(
    axes: Sequence[Axis], sample: int | None = None, seed: int = 0
) -> Iterator[dict[str, Json]]:
    """Every combination in order, or `sample` different ones drawn by `seed`, in the same order.

    Checks at the call, makes them lazily. Raises TooLarge beyond 1,000,000 cases.
    """
    total = count_combinations(axes)
    wanted = total if sample is None else sample
    if not 0 < wanted <= total:
        raise Invalid(
            f"A sample of {wanted:,} cannot be drawn from {total:,} combinations. "
            f"Choose 1 to {total:,}.",
            param="sample",
        )
    if wanted > MAX_ROWS:
        raise TooLarge(
            f"The grid has {wanted:,} cases; {MAX_ROWS:,} are the most. Draw a sample with "
            "--sample N --seed S.",
            param="sample",
        )
    if total > 1 << 62:
        raise TooLarge("The grid has more than 2^62 combinations. Remove an axis.")
    chosen = (
        range(total) if sample is None else sorted(random.Random(seed).sample(range(total), sample))
    )
    return (combination(axes, index) for index in chosen)


def grid_cases(axes: Sequence[Axis], sample: int | None = None, seed: int = 0) -> ParsedCases:
    """The grid as cases, named by the hash of their inputs."""
    cases = [
        CaseRow(content_hash(inputs)[:12], inputs) for inputs in combinations(axes, sample, seed)
    ]
    return ParsedCases(cases, [axis.name for axis in axes], None, "grid", [])


def describe_grid(axes: Sequence[Axis], sample: int | None = None, seed: int = 0) -> str:
    """`tone (3) × length (2)`, with the draw if there was one."""
    text = " × ".join(f"{axis.name} ({len(axis.values)})" for axis in axes)
    return f"grid {text}" + ("" if sample is None else f", sample {sample}, seed {seed}")
