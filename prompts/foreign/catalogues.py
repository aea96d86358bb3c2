"""Collections of prompts: rows of a title and a text, as CSV, TSV, JSON or JSONL.

Their texts are meant as they stand: `${Position:Developer}` is a variable there, `{{` is text.
"""

import csv
import io
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import ValidationError

from core.errors import Invalid, PromptstoneError
from core.names import MAX_LENGTH, slug
from prompts.content import MessageTemplate, PromptContent, Variable
from prompts.foreign import mustache
from prompts.foreign.documents import entries, text_of
from prompts.foreign.found import ForeignPrompt, Found

_TITLES = ("act", "title", "name", "label", "角色", "标题")
_TEXTS = ("prompt", "content", "text", "template", "提示词")
_TAGS = ("tags", "category", "type", "for_devs")
_PLACEHOLDER = re.compile(r"\$\{([^{}:]{1,60})(?::([^{}]*))?\}")
MAX_CELL = 1 << 20


class _Row(NamedTuple):
    where: str
    values: dict[str, Any]


def is_catalogue(name: str, data: bytes) -> bool:
    """Whether the file has a column of titles and one of texts."""
    try:
        first = next(_rows(name, data), None)
    except PromptstoneError:
        return False
    return first is not None and bool(_key(first.values, _TEXTS) and _key(first.values, _TITLES))


def read_catalogue(name: str, data: bytes) -> Found:
    """A prompt a row; titles are kept, rows that hold no text are listed."""
    found = Found()
    taken: set[str] = set()
    folder = slug(name.rsplit("/", 1)[-1].split(".")[0])
    for row in _rows(name, data):
        title_key, text_key = _key(row.values, _TITLES), _key(row.values, _TEXTS)
        title = str(row.values.get(title_key or "") or "").strip()
        text = row.values.get(text_key or "")
        if not isinstance(text, str) or not text.strip():
            found.leave(row.where, title or "a row", "It has no text. Write its prompt.")
            continue
        try:
            content = _content(text)
        except (PromptstoneError, ValidationError):
            found.leave(row.where, title or "a row", "Its text cannot be kept. Shorten it.")
            continue
        made = _free(f"{folder}/{slug(title, 'prompt').replace('/', '-')}", taken)
        own = made.rsplit("/", 1)[-1]
        found.prompts.append(
            ForeignPrompt(made, content, title=title if title and title != own else None,
                          tags=_tags(row.values))
        )  # fmt: skip
        left = row.values.keys() - {title_key, text_key, *_TAGS}
        for key in sorted(key for key in left if row.values[key]):
            found.leave(row.where, f"the column {key}", "It has no place in a prompt here.")
    return found


def _key(values: dict[str, Any], names: tuple[str, ...]) -> str | None:
    lower = {key.strip().lower(): key for key in values}
    return next((lower[name] for name in names if name in lower), None)


def _free(name: str, taken: set[str]) -> str:
    base = name[: MAX_LENGTH - 5].rstrip("-./")
    made, number = base, 1
    while made in taken:
        number += 1
        made = f"{base}-{number}"
    taken.add(made)
    return made


def _tags(values: dict[str, Any]) -> tuple[str, ...]:
    found: list[str] = []
    for key in _TAGS:
        value = values.get(key)
        if key == "for_devs":
            found += ["for_devs"] if str(value).lower() == "true" else []
        elif isinstance(value, list):
            found += [str(one) for one in value]
        elif value:
            found += [one.strip() for one in str(value).split(",")]
    return tuple(dict.fromkeys(one[:128] for one in found if one))


def _content(text: str) -> PromptContent:
    """`${name:default}` becomes a variable; what else Jinja2 would read stays text."""
    inputs: dict[str, Variable] = {}
    pieces: list[str] = []
    at = 0
    for found in _PLACEHOLDER.finditer(text):
        name = re.sub(r"\W+", "_", found[1].strip()).strip("_")
        try:
            declared = Variable(name=name, default=found[2])
        except ValidationError:
            continue
        pieces += [mustache.to_jinja(text[at : found.start()]), f"{{{{ {name} }}}}"]
        inputs.setdefault(name, declared)
        at = found.end()
    source = "".join([*pieces, mustache.to_jinja(text[at:])])
    declared_too = [name for name in mustache.variables(text) if name not in inputs]
    return PromptContent(
        messages=(MessageTemplate(role="user", content=source),),
        inputs=(*inputs.values(), *(Variable(name=name) for name in declared_too)),
    )


def _rows(name: str, data: bytes) -> Iterator[_Row]:
    suffix = name.rsplit(".", 1)[-1].lower()
    if suffix in ("json", "jsonl", "ndjson"):
        yield from (_Row(one.where, one.item) for one in entries(name, data, ("prompts", "data")))
        return
    text = text_of(name, data)
    csv.field_size_limit(MAX_CELL)
    reader = csv.DictReader(
        io.StringIO(text, newline=""), delimiter="\t" if suffix == "tsv" else ","
    )
    try:
        line = 2
        for row in reader:
            values = {str(key): value for key, value in row.items() if key is not None}
            yield _Row(f"{name}, line {line}", values)
            line = reader.line_num + 1
    except csv.Error as error:
        raise Invalid(f"{name}, line {reader.line_num}: {error}. Correct it.") from None
