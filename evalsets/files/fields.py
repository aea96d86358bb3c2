"""The recognized fields of a case out of whatever value a file gives them."""

from typing import get_args

import orjson

from core.canonical import Json, canonical_json
from core.errors import Invalid
from evalsets.files.cases import MAX_TAG, SPLITS, Split


def as_text(value: Json) -> str:
    """A text as it is, anything else as canonical JSON."""
    return value if isinstance(value, str) else canonical_json(value)


def read_expected(value: Json, textual: bool) -> str | None:
    """The expected output; an empty cell of a `textual` table (CSV) means there is none."""
    if value is None or (textual and value == ""):
        return None
    return as_text(value)


def read_tags(value: Json) -> list[str]:
    """`a, b`, `a;b` or a list; order kept, repeats dropped."""
    if isinstance(value, str):
        value = _listed(value)
    if value is None:
        return []
    if not isinstance(value, list) or any(isinstance(tag, (list, dict)) for tag in value):
        raise Invalid('tags are no list of texts. Write them as "a, b" or ["a", "b"]')
    tags = list(dict.fromkeys(as_text(tag) for tag in value if tag is not None and tag != ""))
    if any(len(tag) > MAX_TAG for tag in tags):
        raise Invalid(f"a tag has more than {MAX_TAG} characters. Shorten it")
    return tags


def _listed(text: str) -> Json:
    if text.lstrip().startswith("["):
        try:
            return orjson.loads(text)
        except ValueError:
            pass
    separator = ";" if ";" in text else ","
    return [tag.strip() for tag in text.split(separator)]


def read_split(value: Json) -> Split | None:
    """The part of the data set that a case belongs to; nothing is none of them."""
    if value is None or value == "":
        return None
    name = value.strip().lower() if isinstance(value, str) else ""
    for split in get_args(Split):
        if name == split:
            return split
    raise Invalid(
        f"split {as_text(value)[:40]!r} is none of {', '.join(SPLITS)}. Use one of them, or read "
        "the column as an input with --map part=split"
    )
