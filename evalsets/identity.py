"""What makes two outputs the same thing to a person: the identity that labels belong to."""

from collections.abc import Mapping, Sequence

from core.canonical import content_hash


def item_key(
    dataset: str,
    inputs: Mapping[str, object],
    output: str,
    tool_calls: Sequence[object] | None,
) -> str:
    """64 hex digits of (data set name, canonical inputs, output byte for byte, tool calls).

    The version of the data set, the arm and the run are no part of it, so that an output which
    comes again is already labeled. No tool calls and an empty list are the same. Raises
    ValueError for NaN and infinities.
    """
    return content_hash([dataset, inputs, output, tool_calls or None])


def inputs_hash(inputs: Mapping[str, object]) -> str:
    """64 hex digits of the inputs: rows of a data set with equal inputs are one case."""
    return content_hash(inputs)
