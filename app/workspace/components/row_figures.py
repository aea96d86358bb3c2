"""What a check of training rows found: counts before and after, leaks, bad rows, lengths."""

from collections.abc import Sequence

import streamlit as st

from app.workspace.components import numbers, table
from app.workspace.components.plain import plain, visible
from app.workspace.strings import raw, t
from tuning.data.checkup import Checkup
from tuning.data.cleaning import Step
from tuning.data.leaks import Leak
from tuning.data.loading import BadRow
from tuning.data.statistics import TokenStatistics

_SHOWN = 50


def draw(found: Checkup) -> None:
    """Everything of one version."""
    facts = [
        raw("training.learned_n", n=numbers.count(found.learned)),
        raw("training.held_out_n", n=numbers.count(found.held_out)),
        *(f"{raw(f'training.from_{name}')} {numbers.count(n)}"
          for name, n in found.sources.items()),
    ]  # fmt: skip
    st.text(" · ".join(facts))
    bad_rows(found.bad)
    leaks(found.leaks)
    left, right = st.columns(2, gap="medium")
    with left:
        steps(found.learned, len(found.leaks), found.steps)
    with right:
        tokens(found.tokens)


def bad_rows(found: Sequence[BadRow]) -> None:
    """Each by its line, with the reason."""
    if not found:
        return
    st.error(t("training.bad_n", n=numbers.count(len(found))), icon=":material/error:")
    rows = [{"row": one.line, "case": one.case_id, "reason": one.reason} for one in found[:_SHOWN]]
    headings = {"row": raw("training.line"), "case": raw("columns.case"),
                "reason": raw("columns.reason")}  # fmt: skip
    table.still(rows, headings, alt=raw("training.bad"))


def leaks(found: Sequence[Leak]) -> None:
    """Each with the held-out case that it gives away."""
    if not found:
        st.text(raw("training.no_leaks"))
        return
    st.error(t("training.leaks_n", n=numbers.count(len(found))), icon=":material/error:")
    rows = [
        {
            "row": one.row,
            "where": f"{one.dataset} ({one.split})",
            "case": one.case_id,
            "share": numbers.percent(one.share),
        }
        for one in found[:_SHOWN]
    ]
    headings = {"row": raw("training.row"), "where": raw("columns.where"),
                "case": raw("columns.case"), "share": raw("training.equal_share")}  # fmt: skip
    table.still(rows, headings, alt=raw("training.leaks"))


def steps(given: int, refused: int, found: Sequence[Step]) -> None:
    """Rows before and after each step of cleaning."""
    rows = [{"step": raw("training.step_leaks"), "before": given, "after": given - refused}]
    for step in found:
        name = raw(f"training.step_{step.name}")
        told = name if step.on else raw("training.step_off", name=name)
        row = {"step": told, "before": step.before, "after": step.after}
        rows.append({**row, "changed": step.changed} if step.changed else row)
    headings = {"step": raw("training.step"), "before": raw("columns.before"),
                "after": raw("columns.after"), "changed": raw("training.masked")}  # fmt: skip
    table.still(rows, headings, alt=raw("training.cleaning"))
    removed = [one for step in found for one in step.removed][:_SHOWN]
    if removed:
        with st.expander(t("training.removed")):
            for one in removed:
                st.text(visible(f"{one.name}: {one.why}"))


def tokens(found: TokenStatistics) -> None:
    """Lengths by an estimate: the model's own tokenizer counts otherwise."""
    rows = [
        {
            "part": raw(f"training.part_{part}"),
            "median": numbers.count(spread.median),
            "p95": numbers.count(spread.p95),
            "most": numbers.count(spread.most),
        }
        for part, spread in (
            ("prompt", found.prompt), ("answer", found.answer), ("both", found.both)
        )
    ]  # fmt: skip
    headings = {"part": raw("columns.part"), "median": raw("training.median"), "p95": "p95",
                "most": raw("training.most")}  # fmt: skip
    table.still(rows, headings, alt=raw("training.tokens"))
    total = numbers.short_count(found.both.total)
    st.caption(plain(raw("training.tokens_help", n=total)))
