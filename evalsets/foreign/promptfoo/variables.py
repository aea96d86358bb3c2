"""Variables of a test: values, files of values, and lists whose combinations are cases."""

import json
from collections.abc import Iterator
from itertools import product
from pathlib import PurePosixPath
from typing import Any, cast

from core.errors import Invalid
from evalsets.foreign.folder import Files
from evalsets.foreign.promptfoo.tables import text_of_file
from prompts.foreign import plain_yaml

MAX_COMBINATIONS = 100_000
Json = dict[str, Any]
_BINARY = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".pdf", ".mp3", ".wav", ".mp4", ".zip")


def combinations(value: Any, files: Files, *, expand: bool = True) -> Iterator[Json]:
    """Each combination of the values of lists of texts, unless a test says that lists are values.

    Raises Invalid or TooLarge.
    """
    named = _named(value, files)
    axes: list[list[Any]] = []
    total = 1
    for one in named.values():
        values = _values(one, files) if expand else [loaded(one, files)]
        total *= max(1, len(values))
        if total > MAX_COMBINATIONS:
            raise Invalid(f"Its lists make more than {MAX_COMBINATIONS:,} cases. Shorten them.")
        axes.append(values)
    for chosen in product(*axes):
        yield dict(zip(named, chosen, strict=True))


def _named(value: Any, files: Files) -> Json:
    """The map of variables, also from the files that a test names instead of it."""
    if value is None:
        return {}
    if isinstance(value, dict):
        return cast(Json, value)
    found: Json = {}
    for item in cast(list[Any], value) if isinstance(value, list) else [value]:
        if not isinstance(item, str):
            raise Invalid("Its variables are no map. Write one.")
        path = item.removeprefix("file://")
        for one in files.matching(path) if set("*?[") & set(path) else [path]:
            loaded = plain_yaml.load(text_of_file(one, files.read(one)), one)
            if not isinstance(loaded, dict):
                raise Invalid(f"{one} holds no map of variables. Correct it.")
            found.update(cast(Json, loaded))
    return found


def _values(value: Any, files: Files) -> list[Any]:
    if isinstance(value, list) and value and isinstance(value[0], str):
        return [loaded(one, files) for one in cast(list[Any], value)]
    if isinstance(value, str) and value.startswith("file://") and set("*?[") & set(value):
        paths = files.matching(value.removeprefix("file://"))
        if not paths:
            raise Invalid(f"No file fits {value[:120]}. Add the files to the folder.")
        return [loaded(f"file://{path}", files) for path in paths]
    return [loaded(value, files)]


def loaded(value: Any, files: Files) -> Any:
    """The content of a file where the value names one."""
    if isinstance(value, plain_yaml.Tagged):
        raise Invalid(f"A value stands under the tag {value.tag}, which is no data. Write it out.")
    if not isinstance(value, str) or not value.startswith("file://"):
        return value
    path = value.removeprefix("file://")
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in (".py", ".js", ".ts", ".mjs", ".cjs", ".rb") or ".py:" in path or ".js:" in path:
        raise Invalid(f"{path[:120]} is a program, and no program of a file runs here.")
    if suffix in _BINARY:
        raise Invalid(f"{path[:120]} is no text, and cases here hold texts.")
    text = text_of_file(path, files.read(path))
    if suffix == ".json":
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise Invalid(f"{path[:120]} is no JSON. Correct it.") from None
    return plain_yaml.load(text, path) if suffix in (".yaml", ".yml") else text
