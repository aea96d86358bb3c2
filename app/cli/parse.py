"""Values of options that are more than one word."""

import json
from collections.abc import Iterable

import typer


def pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    """`K=V` texts; a usage error for one without `=` or a name given twice."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise typer.BadParameter(f"{text!r} is not NAME=VALUE.", param_hint=option)
        if name.strip() in found:
            raise typer.BadParameter(f"{name.strip()} is given twice.", param_hint=option)
        found[name.strip()] = value
    return found


def json_pairs(texts: Iterable[str], option: str) -> dict[str, object]:
    """`K=V` texts whose values are JSON where they read as JSON, else texts."""
    return {name: _value(value) for name, value in pairs(texts, option).items()}


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def repeated_pairs(texts: Iterable[str], option: str) -> list[tuple[str, object]]:
    """Like `json_pairs`, but a name may come more than once."""
    found: list[tuple[str, object]] = []
    for text in texts:
        found += json_pairs([text], option).items()
    return found
