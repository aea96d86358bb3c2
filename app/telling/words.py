"""The words of both languages, `app/strings/LANGUAGE.toml`, for whoever tells something."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
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


def sayer(language: str) -> Say:
    """Texts of one language; of English where the language is not one of ours."""
    texts = table(language if language in LANGUAGES else "en")

    def say(key: str, **params: object) -> str:
        return texts[key].format(**params) if params else texts[key]

    return say
