"""What decides: the cases on which two arms differ, and both answers of one of them."""

from collections.abc import Sequence

import streamlit as st

from app.workspace.components import access, numbers, pairs, url
from app.workspace.components.pairs import Place
from app.workspace.strings import raw, t
from evalsets.runs.cells import RunCells
from evalsets.statistics.cells import Cells
from evalsets.verdicts.deciding import Deciding, what_decides
from evalsets.verdicts.service import RunVerdict

MOST = 50
WAYS = ("all", "candidate", "baseline")


def draw(cells: RunCells, values: list[Cells], read: RunVerdict) -> None:
    """The pairs of the baseline and one candidate, both directions, biggest first."""
    names = [one.candidate for one in read.comparisons]
    asked = url.get("against")
    candidate = asked if asked in names and asked is not None else names[0]
    places = (cells.arm_position(read.baseline), cells.arm_position(candidate))
    found = what_decides(cells, values, *places)
    st.subheader(t("verdict.decides"), anchor=False)
    if len(names) > 1:
        url.select("decides", "against", names, t("verdict.candidate"), clears=("pair",))
    if not found:
        judged = next(one.n_pairs for one in read.comparisons if one.candidate == candidate)
        st.caption(t("verdict.decides_none" if judged else "verdict.decides_open"))
        return
    _pairs(cells.run.id, read, candidate, found)


def _pairs(run_id: str, read: RunVerdict, candidate: str, found: Sequence[Deciding]) -> None:
    ours = sum(one.candidate_better for one in found)
    st.caption(
        t(
            "verdict.decides_counts", n=numbers.count(len(found)), candidate=candidate,
            baseline=read.baseline, ours=numbers.count(ours),
            theirs=numbers.count(len(found) - ours),
        )
    )  # fmt: skip
    way = url.choice(
        "decides", "way", WAYS, lambda code: raw(f"verdict.way_{code}"), raw("verdict.decides"),
        clears=("pair",),
    )  # fmt: skip
    kept = [one for one in found if way == "all" or one.candidate_better == (way == "candidate")]
    if not kept:
        st.caption(t("verdict.decides_way_none"))
        return
    shown = kept[:MOST]
    rows = [
        {
            "case": one.case_id,
            "repeat": one.repeat,
            "baseline": pairs.value(one.baseline, read.by),
            "candidate": pairs.value(one.candidate, read.by),
            "better": candidate if one.candidate_better else read.baseline,
        }
        for one in shown
    ]
    repeats = any(one.repeat > 1 for one in found)
    headers = {"case": raw("columns.case")} | ({"repeat": raw("columns.repeat")} if repeats else {})
    headers |= {"baseline": read.baseline, "candidate": candidate, "better": raw("columns.better")}
    both = [(Place(run_id, one.baseline_cell), Place(run_id, one.candidate_cell)) for one in shown]
    pairs.listed(f"decides_{way}_{len(kept)}", rows, headers, both, raw("verdict.decides"))
    if len(kept) > MOST:
        st.caption(t("verdict.decides_more", n=numbers.count(len(kept)), shown=MOST))


def explained(run_id: str, read: RunVerdict) -> tuple[RunCells, list[Cells]] | None:
    """Cells and values of the figure that the verdict is by; None for preferences."""
    from evalsets.runs.cells import load_cells
    from evalsets.verdicts.service import PREFERENCE
    from evalsets.verdicts.values import values_by

    if read.by == PREFERENCE:
        return None
    with access.reading() as session:
        cells = load_cells(session, run_id)
        return cells, values_by(session, cells, read.by)
