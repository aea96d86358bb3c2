"""The head of a safetensors file, checked against the file: JSON and bounds, no tensor is read.

The format: https://github.com/huggingface/safetensors#format
"""

import math
from pathlib import Path
from typing import cast

import orjson

from core.errors import Invalid

MOST_HEAD = 100_000_000
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "I16": 16, "U16": 16,
    "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "F64": 64, "I64": 64, "U64": 64,
    "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip


def check_safetensors(file: Path) -> int:
    """The bytes of its tensors; raises Invalid when the head does not describe the file."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if size < 8 or not 2 <= length <= min(MOST_HEAD, size - 8):
            raise _broken(file, "its head is longer than the file")
        head = opened.read(length)
    try:
        value = orjson.loads(head)
    except orjson.JSONDecodeError:
        raise _broken(file, "its head is no JSON") from None
    if not isinstance(value, dict):
        raise _broken(file, "its head is no JSON object")
    tensors = cast(dict[str, object], value)
    tensors.pop("__metadata__", None)
    spans = sorted(_span(file, name, one) for name, one in tensors.items())
    at = 0
    for begin, end in spans:
        if begin != at:
            raise _broken(file, "its tensors overlap or leave gaps")
        at = end
    if at != size - 8 - length:
        raise _broken(file, "its tensors are not the rest of the file")
    return at


def _span(file: Path, name: str, tensor: object) -> tuple[int, int]:
    try:
        described = cast(dict[str, object], tensor)
        begin, end = cast(list[int], described["data_offsets"])
        shape = cast(list[int], described["shape"])
        bits = _BITS[str(described["dtype"])] * math.prod(shape)
        good = all(type(n) is int and n >= 0 for n in (*shape, begin, end))
    except (KeyError, TypeError, ValueError):
        raise _broken(file, f"the tensor {name[:100]} is not described") from None
    if not good or (end - begin) * 8 != -(-bits // 8) * 8:
        raise _broken(file, f"the tensor {name[:100]} is out of bounds")
    return begin, end


def _broken(file: Path, why: str) -> Invalid:
    return Invalid(
        f"{file.name[:200]} is no whole safetensors file: {why}. Fetch it again.", param="source"
    )
