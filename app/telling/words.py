"""The words of both languages, `app/strings/LANGUAGE.toml`, for whoever tells something."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any, Protocol

FOLDER = Path(__file__).parent.parent / "strings"
LANGUAGES = ("en", "zh")


class Say(Protocol):
    """A text by its dotted key, its placeholders filled in."""

    def __call__(self, key: str, **params: object) -> str: ...


@cache
def table(language: str) -> Mapping[str, str]:
    """All texts of a language by dotted key."""
    with (FOLDER / f"{language}.toml").open("rb") as file:
        return dict(_flat(tomllib.load(file), ""))


def _flat(node: dict[str, Any], prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in node.items():
        if isinstance(value, dict):
            found += _flat(value, f"{prefix}{key}.")
        else:
            found.append((prefix + key, value))
    return found


class _Forms(Formatter):
    """`{n:one|many}` is the first form beside a single one, the second beside all else."""

    def format_field(self, value: object, format_spec: str) -> str:
        one, between, many = format_spec.partition("|")
        if not between:
            return str(super().format_field(value, format_spec))
        return one if str(value) == "1" else many


_FORMS = _Forms()


def filled(text: str, params: Mapping[str, object]) -> str:
    """A text with its placeholders filled in, and the form of its words that they ask for."""
    return _FORMS.vformat(text, (), params) if params else text


def sayer(language: str) -> Say:
    """Texts of one language; of English where the language is not one of ours."""
    texts = table(language if language in LANGUAGES else "en")

    def say(key: str, **params: object) -> str:
        return filled(texts[key], params)

    return say
