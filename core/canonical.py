"""Canonical JSON and content hashes: sorted keys, no spaces, UTF-8, no NaN."""

import hashlib
import json
from collections.abc import Mapping, Sequence

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]


_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def canonical_json(value: object) -> str:
    """The one text of a JSON value; raises ValueError for NaN and infinities."""
    return _ENCODER.encode(value)


def sha256_text(text: str) -> str:
    """Hex sha256 of the UTF-8 bytes; lone surrogates are kept apart rather than refused."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def content_hash(value: object) -> str:
    """Hex sha256 of the canonical JSON of `value`."""
    return sha256_text(canonical_json(value))
