"""Arms as people write them: `news@2 | demo | temperature=0.2 | kb=docs@3 | top_k=4`.

What stands before `kb=` are parameters of the model, what stands after it are search settings,
`query` and `context` among them. A value is JSON where it reads as JSON, else text; a text with a
bar, or one that would read as JSON, stands in quotes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from core.canonical import Json, canonical_json
from core.errors import Invalid

APP = "app:"
"""What the name of an arm begins with that is a whole app."""
_LONGEST = 120


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


_JSON = json.JSONDecoder(parse_constant=_refuse)


@dataclass(frozen=True)
class AskedArm:
    """One arm as it is asked for; `prompt` is NAME[@REF], `kb` is NAME[@SNAPSHOT]."""

    prompt: str
    model: str
    params: Mapping[str, Json] = field(default_factory=dict[str, Json])
    kb: str | None = None
    settings: Mapping[str, Json] = field(default_factory=dict[str, Json])

    @property
    def text(self) -> str:
        """What `parse_arm` reads back; the arm's name where the references are numbers."""
        base = [] if self.kb is None else [f"kb={self.kb}", *_pairs(self.settings)]
        return " | ".join([self.prompt, self.model, *_pairs(self.params), *base])


def _pairs(values: Mapping[str, Json]) -> list[str]:
    return [f"{key}={written(value)}" for key, value in values.items()]


def written(value: Json) -> str:
    """A value as names of arms show it: a text as it is where it reads back as itself."""
    if isinstance(value, str) and value.isprintable() and _value(value) == (value, None):
        return value
    return canonical_json(value)


def is_app(text: str) -> bool:
    """Whether an arm is a whole app, as `app:faq@2`."""
    return text.strip().startswith(APP)


def parse_arm(text: str) -> AskedArm:
    """The parts of an arm's name; raises Invalid with what to write."""
    prompt, bar, rest = text.partition("|")
    model, more, rest = rest.partition("|")
    prompt, model = prompt.strip(), model.strip()
    if not bar or not prompt or not model or "=" in model:
        raise _wrong(text, "is no arm. Write PROMPT | MODEL, then | KEY=VALUE, as")
    left: str | None = rest if more else None
    params: dict[str, Json] = {}
    settings: dict[str, Json] = {}
    kb: str | None = None
    while left is not None:
        key, equals, left = left.partition("=")
        key = key.strip()
        if not equals or not key or "|" in key:
            raise _wrong(text, "has a part that is not KEY=VALUE. Write it as")
        known = params if kb is None else settings
        if key in known or (key == "kb" and kb is not None):
            raise Invalid(f"{key[:40]!r} stands twice in {_cut(text)}. Leave one out.", param="arm")
        if key == "kb":
            name, after, tail = left.partition("|")
            kb, left = name.strip(), tail if after else None
        else:
            key = key if kb is None else key.replace("-", "_")
            known[key], left = _value(left)
    if kb == "":
        raise _wrong(text, "names no base. Write it as")
    return AskedArm(prompt, model, params, kb, settings)


def _value(text: str) -> tuple[Json, str | None]:
    """The value that the text begins with, and what follows the bar after it, if there is one."""
    stripped = text.lstrip()
    try:
        value, end = _JSON.raw_decode(stripped)
    except (ValueError, RecursionError):
        pass
    else:
        after = stripped[end:].lstrip()
        if not after or after.startswith("|"):
            return value, after[1:] if after else None
    raw, bar, after = text.partition("|")
    return raw.strip(), after if bar else None


def _wrong(text: str, what: str) -> Invalid:
    example = "'news@2 | demo | temperature=0.2'"
    return Invalid(f"{_cut(text)} {what} {example}.", param="arm")


def _cut(text: str) -> str:
    return repr(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")
