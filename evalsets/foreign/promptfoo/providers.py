"""Providers of a promptfoo configuration as models: whoever speaks OpenAI's API, and LangChain.

A key is never read from the file; the environment variable that promptfoo would read is named.
https://www.promptfoo.dev/docs/providers/
"""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, cast

from connectors.models import ModelSettings
from core.errors import PromptstoneError
from core.names import slug
from evalsets.foreign.arrival import Arrival, ForeignModel
from evalsets.foreign.folder import Files
from evalsets.foreign.promptfoo.provider_settings import settings_of
from evalsets.foreign.promptfoo.tables import text_of_file
from prompts.foreign import plain_yaml

BUILTIN = "echo"


_FLOW = {"label", "id", "config"}


def read_providers(value: Any, files: Files, arrival: Arrival) -> dict[str, str]:
    """Add the models of `providers:`; {id or label of the configuration: name of a model}."""
    names: dict[str, str] = {}
    used = {one.name for one in arrival.models}
    for where, item in _entries(value, files, arrival):
        provider = str(item.get("id") or "")
        label = str(item["label"]) if item.get("label") else None
        for key in sorted(item.keys() - _FLOW):
            arrival.leave(f"{where}.{key}", f"`{key}` of a provider", _REASONS.get(key, _NO_PLACE))
        if provider == BUILTIN:
            name = BUILTIN
            if item.get("config"):
                arrival.leave(f"{where}.config", "`config` of echo", "It has no settings here.")
        else:
            config = item.get("config")
            given = cast(dict[str, Any], config) if isinstance(config, dict) else {}
            if config and not given:
                arrival.leave(
                    f"{where}.config", "`config` of a provider", "It is no map. Correct it."
                )
            settings = settings_of(where, provider, given, arrival)
            if settings is None:
                continue
            name = _free(slug(label or settings.model), settings, arrival, used)
        for key in (provider, label):
            if key:
                names.setdefault(key, name)
    return names


_NO_PLACE = "It has no place in a model here."
_REASONS = {
    "prompts": "Which prompts go to which model is chosen when a run is started.",
    "transform": "It is a program, and no program of a file runs here.",
    "delay": "Give `--rpm` to the model instead.",
    "env": "Environment variables are not taken over. Set them where Promptstone is started.",
}


def _free(name: str, settings: ModelSettings, arrival: Arrival, used: set[str]) -> str:
    """A name of its own for other settings; the same settings are one model."""
    for one in arrival.models:
        if one.settings == settings:
            return one.name
    found, number = name, 1
    while found in used or found in (BUILTIN, "demo"):
        number += 1
        found = f"{name}-{number}"
    used.add(found)
    arrival.models.append(ForeignModel(found, settings))
    return found


def _entries(value: Any, files: Files, arrival: Arrival) -> Iterator[tuple[str, dict[str, Any]]]:
    items = cast(list[Any], value) if isinstance(value, list) else [value]
    for n, item in enumerate(items):
        where = f"providers[{n}]"
        if isinstance(item, str) and item.startswith("file://"):
            yield from _of_file(where, item.removeprefix("file://"), files, arrival)
        elif isinstance(item, str):
            yield where, {"id": item}
        elif isinstance(item, dict):
            entry = cast(dict[str, Any], item)
            if "id" not in entry and len(entry) == 1:
                name, inner = next(iter(entry.items()))
                if inner is not None and not isinstance(inner, dict):
                    arrival.leave(where, name[:120], "Its settings are no map. Correct it.")
                    continue
                entry = {"id": name, **cast(dict[str, Any], inner or {})}
            yield where, entry
        elif item is not None:
            arrival.leave(where, "a provider", "It is neither an id nor a map. Correct it.")


def _of_file(
    where: str, path: str, files: Files, arrival: Arrival
) -> Iterator[tuple[str, dict[str, Any]]]:
    if PurePosixPath(path).suffix.lower() not in (".yaml", ".yml", ".json"):
        arrival.leave(where, path[:120], "It is a program, and no program of a file runs here.")
        return
    try:
        found = plain_yaml.load(text_of_file(path, files.read(path)), path)
    except PromptstoneError as error:
        arrival.refuse(where, path[:120], error)
        return
    for item in cast(list[Any], found) if isinstance(found, list) else [found]:
        if isinstance(item, dict):
            yield f"{where} {path}", cast(dict[str, Any], item)
        elif isinstance(item, str):
            yield f"{where} {path}", {"id": item}
        else:
            arrival.leave(where, path[:120], "It holds no provider. Write an id or a map.")
