"""The answers of a scene, as text, Markdown, JSON or compared with the first column's."""

import statistics
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

import streamlit as st

from app.server import context
from app.workspace.components import access, json_view, numbers, one_call, output
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from connectors.models import Generation
from prompts.diff import Piece, word_diff


def text_so_far(row: Generation) -> str:
    """What a call has said, ended or not."""
    if row.state != "sent":
        return row.output
    return context.current().generations.text(row.id) or ""


def shown(row: Generation, *, key: str, label: str, view: str, first: Generation | None) -> None:
    """One answer; `first` is what it is compared with in the view diff."""
    text = text_so_far(row)
    if row.state == "sent":
        own = row.actor == access.actor()
        output.output(
            text, key=key, label=label, stream=row.id if own else None, markdown=view == "markdown"
        )
        return
    if not text and row.state != "succeeded":
        return
    if view == "diff" and first is not None and first.state != "sent":
        output.compared(pieces(first.output, text), key=key, label=label)
        return
    laid_out = json_view.laid_out(text) if view == "json" else None
    output.output(
        text if laid_out is None else laid_out, key=key, label=label, markdown=view == "markdown"
    )
    if view == "json" and laid_out is None and text:
        st.caption(t("playground.no_json"))


@lru_cache(128)
def pieces(before: str, after: str) -> tuple[Piece, ...]:
    """`word_diff`, kept: a page is drawn often while its texts stay."""
    return word_diff(before, after)


def ended(row: Generation) -> None:
    """How a call ended, and what it took."""
    if row.error:
        st.error(plain(row.error), icon=":material/error:")
    if row.state in ("stopped", "interrupted"):
        st.caption(t(f"prompts.state_{row.state}"))
    one_call.took(row)


def together(rows: Sequence[Generation]) -> None:
    """What repeats of one column say as a whole."""
    done = [row for row in rows if row.state == "succeeded" and row.latency_ms is not None]
    if len(done) < 2:
        return
    costs = [row.cost for row in done]
    priced = [one for one in costs if one is not None]
    st.caption(
        t(
            "playground.together",
            n=len(done),
            different=len({row.output for row in done}),
            latency=numbers.span(statistics.median(row.latency_ms or 0 for row in done)),
            cost=numbers.money(sum(priced, Decimal(0)) if len(priced) == len(costs) else None),
        )
    )


def failures(rows: Sequence[Generation]) -> int:
    """How many calls have no whole answer."""
    return sum(row.state in ("failed", "interrupted", "stopped") for row in rows)


def label_of(place: int, repeat: int, repeats: int) -> str:
    """What a screen reader calls an answer."""
    said = raw("playground.answer_of", n=place)
    return f"{said}, {repeat + 1} / {repeats}" if repeats > 1 else said
