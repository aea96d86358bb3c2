"""Prompts of a promptfoo configuration: texts, chat messages, and the files that hold them.

https://www.promptfoo.dev/docs/configuration/prompts/
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from core.errors import Invalid, PromptstoneError
from core.names import MAX_LENGTH, slug
from evalsets.foreign.folder import Files
from evalsets.foreign.promptfoo.prompt_content import content_of, json_of
from evalsets.foreign.promptfoo.tables import csv_rows, text_of_file
from prompts.foreign import plain_yaml
from prompts.foreign.found import ForeignPrompt, Found

_CODE = re.compile(r"\.(?:py|rb|js|cjs|mjs|ts|cts|mts|sh)(?::[\w.]+)?$", re.IGNORECASE)
_FILE = re.compile(r"\.(?:txt|json|jsonl|ya?ml|csv|md|j2|jinja2?|prompt|xml)$", re.IGNORECASE)
_ELSEWHERE = re.compile(r"^(?:langfuse|helicone|portkey|https?|mlflow|s3|gs|az)://", re.IGNORECASE)
_DELIMITER = "---"
_NO_PLACE = "It has no place here."
_REASONS = {
    "function": "It is a program, and no program of a file runs here.",
    "prefix": "Write it into the prompt.",
    "suffix": "Write it into the prompt.",
}
MAX_PROMPTS = 1_000


class _Source(NamedTuple):
    """A prompt's own text with where it stands and what it is called."""

    where: str
    label: str | None
    raw: Any
    options: Mapping[str, Any] = MappingProxyType({})


class Taken(NamedTuple):
    """Names by what configurations and results call the prompts: label, id or raw text."""

    names: dict[str, str]


def read_prompts(value: Any, base: str, files: Files, found: Found) -> Taken:
    """Add the prompts of `prompts:` to `found`, named `base/LABEL`."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for source in _sources(value, files, found):
        try:
            content, left = content_of(source.raw, source.options)
        except PromptstoneError as error:
            found.refuse(source.where, source.label or "a prompt", error)
            continue
        for key, reason in sorted(left.items()):
            found.leave(f"{source.where}.config.{key}", f"`{key}` of a prompt's config", reason)
        if len(found.prompts) >= MAX_PROMPTS:
            found.leave(source.where, "further prompts", f"More than {MAX_PROMPTS}. Split it.")
            break
        name = _free(f"{base}/{slug(source.label)}" if source.label else f"{base}/prompt", taken)
        title = source.label if source.label and slug(source.label) != source.label else None
        found.prompts.append(ForeignPrompt(name, content, title=title))
        for key in (source.label, source.raw if isinstance(source.raw, str) else None):
            if key:
                names.setdefault(key, name)
    return Taken(names)


def _free(name: str, taken: set[str]) -> str:
    name, number = name[: MAX_LENGTH - 5], 1
    found = name
    while found in taken:
        number += 1
        found = f"{name}-{number}"
    taken.add(found)
    return found


def _sources(value: Any, files: Files, found: Found) -> Iterator[_Source]:
    if isinstance(value, dict):
        pairs = cast(dict[str, Any], value).items()
        value = [{"id": path, "label": label} for path, label in pairs]
    items = cast(list[Any], value) if isinstance(value, list) else [value]
    for n, item in enumerate(items):
        where = f"prompts[{n}]"
        if isinstance(item, str):
            yield from _text_or_file(where, item, None, {}, files, found)
        elif isinstance(item, dict):
            yield from _entry(where, cast(dict[str, Any], item), files, found)
        elif item is not None:
            found.leave(where, "a prompt", "It is neither a text nor a map. Correct it.")


def _entry(where: str, item: dict[str, Any], files: Files, found: Found) -> Iterator[_Source]:
    label = item.get("label") or item.get("display")
    label = str(label) if label else None
    config = cast(dict[str, Any], item["config"]) if isinstance(item.get("config"), dict) else {}
    for key in sorted(item.keys() - {"label", "display", "config", "raw", "id", "file"}):
        found.leave(f"{where}.{key}", f"`{key}` of a prompt", _REASONS.get(key, _NO_PLACE))
    if item.get("config") and not config:
        found.leave(f"{where}.config", "`config` of a prompt", "It is no map. Correct it.")
    raw = item.get("raw")
    if isinstance(raw, str) and not raw.startswith("file://"):
        yield _Source(where, label or _id(item), raw, config)
        return
    if isinstance(raw, list):
        yield _Source(where, label or _id(item), raw, config)
        return
    path = raw or item.get("file") or item.get("id")
    if not isinstance(path, str):
        found.leave(where, label or "a prompt", "It has neither `raw` nor a file. Add one.")
        return
    yield from _text_or_file(where, path, label, config, files, found)


def _id(item: dict[str, Any]) -> str | None:
    return str(item["id"]) if item.get("id") else None


def _text_or_file(
    where: str, text: str, label: str | None, config: dict[str, Any], files: Files, found: Found
) -> Iterator[_Source]:
    bare = text.removeprefix("file://")
    if text.startswith("exec:") or (_CODE.search(bare) and "\n" not in bare):
        found.leave(
            where, text[:120], "It is made by a program, and no program of a file runs here."
        )
    elif _ELSEWHERE.match(text):
        found.leave(
            where, text[:120], "It is kept by another service. Export it there, then import."
        )
    elif text.startswith("file://") or (_FILE.search(bare) and "\n" not in bare):
        yield from _files(where, bare, label, config, files, found)
    else:
        yield _Source(where, label, text, config)


def _files(
    where: str, path: str, label: str | None, config: dict[str, Any], files: Files, found: Found
) -> Iterator[_Source]:
    try:
        paths = files.matching(path) if set("*?[") & set(path) else [path]
        if not paths:
            raise Invalid("No file fits it. Add the files to the configuration's folder.")
        for one in paths:
            yield from _of_file(f"{where} {one}", one, label, config, files.read(one))
    except PromptstoneError as error:
        found.refuse(where, path[:120], error)


def _of_file(
    where: str, path: str, label: str | None, config: dict[str, Any], data: bytes
) -> Iterator[_Source]:
    suffix, stem = PurePosixPath(path).suffix.lower(), PurePosixPath(path).stem
    text = text_of_file(path, data)
    if suffix == ".csv":
        for line, row in csv_rows(path, data):
            raw = row.get("prompt") or next(iter(row.values()), "")
            yield _Source(f"{where}, line {line}", row.get("label") or label or stem, raw, config)
    elif suffix == ".jsonl":
        for n, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield _Source(
                    f"{where}, line {n}", label or stem, json_of(line, f"line {n}"), config
                )
    elif suffix in (".json", ".yaml", ".yml"):
        value = json_of(text, path) if suffix == ".json" else plain_yaml.load(text, path)
        yield _Source(where, label or stem, value, config)
    elif suffix == ".txt":
        yield from (_Source(where, label or stem, part, config) for part in _parts(text))
    else:
        yield _Source(where, label or stem, text.strip("\n"), config)


def _parts(text: str) -> list[str]:
    """A text file holds prompts between lines of three dashes."""
    parts: list[list[str]] = [[]]
    for line in text.split("\n"):
        if line.strip() == _DELIMITER:
            parts.append([])
        else:
            parts[-1].append(line)
    texts = ["\n".join(lines).strip("\n") for lines in parts]
    return [one for one in texts if one.strip()]
