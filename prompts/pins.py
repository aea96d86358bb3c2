"""The list `includes` of a prompt file: which version of each snippet it means."""

from collections.abc import Sequence
from typing import Any, cast

from core.errors import Invalid
from prompts.include import Include, Pin, digest


def read_pins(value: Any) -> dict[str, Pin]:
    """Pins by reference from a list of `{ref, version, sha256}`; raises Invalid."""
    if value in (None, [], {}):
        return {}
    entries = cast(list[Any], value) if isinstance(value, list) else [value]
    found: dict[str, Pin] = {}
    for entry in entries:
        one = cast(dict[str, Any], entry) if isinstance(entry, dict) else {}
        ref, version = one.get("ref"), one.get("version")
        if not isinstance(ref, str) or type(version) is not int or version < 1:
            raise Invalid(
                "`includes` is no list of `ref` and `version`. Correct it, or leave it out to pin "
                "what the references mean now.",
                param="includes",
            )
        found[ref] = Pin(version, str(one.get("sha256") or ""))
    return found


def write_pins(includes: Sequence[Include]) -> list[dict[str, Any]]:
    """What `read_pins` reads back: the includes of the messages."""
    return [
        {"ref": one.ref, "version": one.version, "sha256": digest(one.text)}
        for one in includes
        if one.within is None
    ]
