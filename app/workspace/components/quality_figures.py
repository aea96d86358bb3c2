"""What a measurement of searches gave: means with intervals, and two settings compared."""

from collections.abc import Sequence

import streamlit as st

from app.server.measuring import Measurement
from app.workspace.components import numbers, table, url
from app.workspace.components.knowledge_rights import View
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from app.workspace.tabs import knowledge_search
from evalsets.retrieval import Measured, compare, figures

FIGURES = ("ndcg@10", "recall@10", "recall@100", "mrr@10", "hit@1")
_HEADINGS = {
    "ndcg@10": "nDCG@10", "recall@10": "recall@10", "recall@100": "recall@100",
    "mrr@10": "MRR@10", "hit@1": "hit@1",
}  # fmt: skip


def draw(seen: View, job: Measurement) -> None:
    """The table, the comparison, and the button that keeps the best."""
    _table(job)
    names = list(job.results)
    if len(names) > 1:
        _comparison(job, names)
    _keep(seen, job)


def _table(job: Measurement) -> None:
    rows = [_row(name, measured) for name, measured in job.results.items()]
    headings = {"settings": raw("columns.settings"), **_HEADINGS}
    headings |= {"p50": "p50", "p95": "p95"}
    table.still(rows, headings, alt=raw("knowledge.tab_quality"), widths={"settings": 220})
    first = next(iter(job.results.values())).mean("ndcg@10")
    parts = [t("knowledge.queries_n", n=numbers.count(first.n_queries))]
    if first.left_out:
        parts.append(t("knowledge.left_out", n=first.left_out))
    if job.unknown:
        parts.append(t("knowledge.unknown", n=job.unknown))
    st.caption(" · ".join(parts))


def _row(name: str, measured: Measured) -> dict[str, str]:
    found = figures(measured)
    row = {figure: _mean(found[figure], found["ci95"][figure]) for figure in FIGURES}
    times = {"p50": numbers.span(found["p50_ms"]), "p95": numbers.span(found["p95_ms"])}
    return {"settings": name, **row, **times}


def _mean(mean: float | None, ci95: Sequence[float] | None) -> str:
    if mean is None:
        return numbers.MISSING
    return f"{mean:.3f}" if ci95 is None else f"{mean:.3f} ({ci95[0]:.2f}–{ci95[1]:.2f})"


def _comparison(job: Measurement, names: Sequence[str]) -> None:
    st.subheader(t("knowledge.compared"), anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        ours = _one_of("against", names, 0)
        theirs = _one_of("base", names, 1)
        figure = st.selectbox(
            t("knowledge.figure"), FIGURES, key="quality_figure", format_func=_HEADINGS.__getitem__,
            width=160,
        )  # fmt: skip
    if ours == theirs:
        st.caption(t("knowledge.choose_two"))
        return
    found = compare(job.results[ours], job.results[theirs], figure)
    if found.difference is None:
        st.text(numbers.MISSING)
        return
    said = raw(
        "knowledge.difference", ours=ours, theirs=theirs, figure=_HEADINGS[figure],
        value=_signed(found.difference), n=found.n_cases,
    )  # fmt: skip
    parts = [said]
    if found.difference_ci95 is not None:
        low, high = found.difference_ci95
        parts.append(raw("knowledge.interval", low=_signed(low), high=_signed(high)))
    parts.append(numbers.p_value(found.p_value))
    st.text(" · ".join(parts))


def _one_of(param: str, names: Sequence[str], usual: int) -> str:
    """A measured setting, its number in the address."""
    key = f"quality_{param}"
    asked = url.get(param) or ""
    at = int(asked) if asked.isdecimal() and int(asked) < len(names) else usual
    st.session_state[key] = names[at]

    def changed() -> None:
        url.put(**{param: list(names).index(st.session_state[key])})

    return st.selectbox(
        t(f"knowledge.compare_{param}"), names, key=key, on_change=changed, width=300
    )


def _signed(value: float) -> str:
    return f"+{value:.3f}" if value > 0 else f"{numbers.MINUS}{-value:.3f}" if value < 0 else "0"


def _keep(seen: View, job: Measurement) -> None:
    means = {name: one.mean("ndcg@10").mean or 0.0 for name, one in job.results.items()}
    best = max(means, key=means.__getitem__)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(plain(raw("knowledge.best", name=best)))
        st.button(
            t("knowledge.save_settings"), key="quality_save", icon=":material/save:",
            on_click=knowledge_search.save, args=(seen, job.settings[best]),
        )  # fmt: skip
