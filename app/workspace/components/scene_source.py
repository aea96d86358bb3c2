"""Which prompt a column of the playground holds, and which version of it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, TypedDict

import streamlit as st

from app.workspace.components import access, base_passages
from app.workspace.components.scene_copy import SceneCopy
from app.workspace.strings import raw, t
from prompts import service
from prompts.content import PromptContent
from prompts.models import PromptSummary
from prompts.scene import Column

_VERSIONS = 50


class _Off(TypedDict):
    disabled: bool
    label_visibility: Literal["visible", "collapsed"]


def draw(copy: SceneCopy, column: Column, prompts: Mapping[str, PromptSummary]) -> None:
    """Which prompt and which version of it; not while the column holds unsaved text."""
    key = copy.key(column)
    names = list(prompts)
    if column.prompt is not None and column.prompt not in prompts:
        names.insert(0, column.prompt)

    def other_prompt() -> None:
        name = st.session_state[f"{key}_prompt"]
        if name is not None:
            _load(copy, column, name, "latest")

    def other_version() -> None:
        _load(copy, column, column.prompt or "", st.session_state[f"{key}_version"])

    numbers, labels = _versions(column, prompts)
    with st.container(horizontal=True, gap="xsmall"):
        with _headed("columns.prompt", column) as looks:
            st.selectbox(
                t("columns.prompt"), names, key=f"{key}_prompt", on_change=other_prompt,
                index=names.index(column.prompt) if column.prompt is not None else None,
                placeholder=raw("playground.no_prompt"), **looks,
            )  # fmt: skip
        with _headed("columns.version", column, off=not numbers, width=145) as looks:
            st.selectbox(
                t("columns.version"), numbers, key=f"{key}_version", on_change=other_version,
                index=numbers.index(column.version) if column.version in numbers else None,
                format_func=lambda n: labels.get(n, str(n)), placeholder="–", **looks,
            )  # fmt: skip


@contextmanager
def _headed(
    label: str,
    column: Column,
    *,
    off: bool = False,
    width: int | Literal["stretch"] = "stretch",
) -> Iterator[_Off]:
    """A place for a field, under a heading of its own while it is off.

    Streamlit's label of a field that is off is too dim to be read.
    """
    off = off or column.changed
    with st.container(gap="xxsmall", width=width):
        if off:
            st.caption(t(label), help=t("playground.changed_help") if column.changed else None)
        yield {"disabled": off, "label_visibility": "collapsed" if off else "visible"}


def _versions(
    column: Column, prompts: Mapping[str, PromptSummary]
) -> tuple[list[int], dict[int, str]]:
    found = prompts.get(column.prompt or "")
    if found is None:
        return ([column.version] if column.version is not None else []), {}
    numbers = list(range(found.newest, max(found.newest - _VERSIONS, 0), -1))
    if column.version is not None and column.version not in numbers:
        numbers.append(column.version)
    labels = {n: str(n) for n in numbers}
    for alias, number in found.aliases.items():
        if number in labels:
            labels[number] += f" · {alias}"
    return numbers, labels


def _load(copy: SceneCopy, column: Column, name: str, ref: str | int) -> None:
    def read(session: Any) -> tuple[int, PromptContent]:
        version = service.get(session, name, ref)
        return version.version, version.content

    found = access.act(read)
    if found is not None:
        number, content = found
        reads = column.kb is not None and base_passages.takes_passages(content)
        copy.load(
            column.id, prompt=name, version=number, changed=False,
            content=content.model_dump(mode="json"),
            kb=column.kb if reads else None, search=column.search if reads else {},
        )  # fmt: skip


def discard(copy: SceneCopy, column: Column) -> None:
    """Give the unsaved text of a column up."""
    if column.prompt is not None and column.version is not None:
        _load(copy, column, column.prompt, column.version)
