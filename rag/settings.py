"""What users write of a base, such as options of a command or fields of a page, as settings."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError
from sqlmodel import Session

from core.errors import Invalid
from rag.access import read_where
from rag.chunk_settings import CHUNK_SETTINGS
from rag.cleaning.settings import CleaningSettings
from rag.search_settings import SearchSettings
from rag.searching import saved_settings
from rag.service import get


def chunk_settings(
    kind: str, chunk_tokens: int, overlap: int, parent_tokens: int | None = None
) -> dict[str, Any]:
    """Settings of a chunker as a base keeps them; raises Invalid."""
    values: dict[str, Any] = {"kind": kind, "chunk_tokens": chunk_tokens, "overlap": overlap}
    if parent_tokens is not None:
        values["parent_tokens"] = parent_tokens
    return _chunker(values)


def changed_chunks(
    before: Mapping[str, Any], kind: str | None, chunk_tokens: int | None, overlap: int | None
) -> dict[str, Any]:
    """A base's chunker with some settings changed; raises Invalid."""
    values = dict(before)
    if kind is not None and kind != before.get("kind"):
        values = {
            "kind": kind,
            "chunk_tokens": before["chunk_tokens"],
            "overlap": before["overlap"],
        }
    if chunk_tokens is not None:
        values["chunk_tokens"] = chunk_tokens
        values["overlap"] = min(values["overlap"], chunk_tokens // 8)
    if overlap is not None:
        values["overlap"] = overlap
    return _chunker(values)


def _chunker(values: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return CHUNK_SETTINGS.validate_python(values).model_dump(mode="json")
    except ValidationError as error:
        raise Invalid(f"The chunker cannot cut so: {said(error)}.", param="chunker") from error


def cleaning_settings(
    left_out: Iterable[str], mask_pii: bool, *, near_duplicates: bool = False
) -> dict[str, Any]:
    """The usual cleaning without some steps; raises Invalid naming the steps there are."""
    steps = [name for name in CleaningSettings.model_fields if _is_switch(name)]
    values: dict[str, Any] = {"pii": "mask" if mask_pii else "off"}
    values["near_duplicates"] = near_duplicates
    for name in left_out:
        if name not in steps:
            raise Invalid(
                f"There is no cleaning step {name!r}. Choose of {', '.join(steps)}.",
                param="no_clean",
            )
        values[name] = False
    return CleaningSettings(**values).model_dump(mode="json")


def _is_switch(name: str) -> bool:
    return CleaningSettings.model_fields[name].annotation is bool


def search_settings(
    session: Session,
    kb: str,
    *,
    mode: str | None = None,
    top_k: int | None = None,
    min_score: float | None = None,
    where: Iterable[str] = (),
    rerank: bool | None = None,
) -> SearchSettings:
    """A base's own search settings with what was asked put over them; raises Invalid, NotFound."""
    pairs = tuple((key, value) for key, values in read_where(where).items() for value in values)
    asked: dict[str, Any] = {
        "mode": mode,
        "top_k": top_k,
        "min_score": min_score,
        "rerank": rerank,
        "where": pairs or None,
    }
    return changed_search(saved_settings(get(session, kb)), asked)


def changed_search(settings: SearchSettings, asked: Mapping[str, Any]) -> SearchSettings:
    """Settings with the values that are not None put over them; raises Invalid."""
    given = {name: value for name, value in asked.items() if value is not None}
    try:
        return SearchSettings(**{**settings.model_dump(), **given})
    except ValidationError as error:
        raise Invalid(f"These are no search settings: {said(error)}.") from error


def read_meta(pairs: Iterable[str]) -> dict[str, Any]:
    """`KEY=VALUE` texts as metadata; a key given twice holds both values. Raises Invalid."""
    found: dict[str, Any] = {}
    for name, values in read_where(pairs).items():
        found[name] = values[0] if len(values) == 1 else values
    return found


def said(error: ValidationError) -> str:
    """The first complaint in words."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if isinstance(part, str))
    text = first["msg"].removeprefix("Value error, ")
    return f"{place}: {text}" if place and place not in text else text
