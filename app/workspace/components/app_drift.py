"""Whether an app is asked other things than before."""

from collections.abc import Iterator, Sequence

import streamlit as st

from app.workspace.components import access, keeping, numbers, table
from app.workspace.strings import raw, t
from serving.drift import InputDrift, input_drift
from serving.drift_rule import LEAST, Change, Row
from serving.models import App

_SHOWN = 6


def _read(app_id: str) -> InputDrift | None:
    with access.reading() as session:
        app = session.get(App, app_id)
        return None if app is None else input_drift(session, app)


def draw(app_id: str) -> None:
    """The last day against the week before it."""
    found = keeping.kept(("drift", app_id), lambda: _read(app_id))
    if found is None:
        return
    st.subheader(t("apps.drift"), anchor=False)
    if not found.enough:
        st.caption(t("apps.drift_few", n=LEAST, before=found.before.n, now=found.now.n))
        return
    st.caption(t("apps.drift_sides", now=found.now.n, before=found.before.n))
    rows = [
        {"name": field.name, "change": raw(f"apps.drift_{change.what}"), **_values(change)}
        for field in found.fields
        for change in field.changes
        if change.drifted
    ]
    if not rows:
        st.caption(t("apps.drift_none"))
        return
    columns = ("name", "change", "before", "after", "p")
    table.still(rows, {c: raw(f"columns.{c}") for c in columns}, alt=raw("apps.drift"))


def _values(change: Change) -> dict[str, str]:
    p = numbers.p_value(change.p_adjusted)
    if change.medians is not None:
        before, now = (f"{raw('apps.median')} {value:g}" for value in change.medians)
        return {"before": before, "after": now, "p": p}
    rows = sorted(change.rows, key=lambda row: -abs(row.now - row.before))[:_SHOWN]
    before, now = (", ".join(_shares(rows, side)) for side in ("before", "now"))
    return {"before": before, "after": now, "p": p}


def _shares(rows: Sequence[Row], side: str) -> Iterator[str]:
    for row in rows:
        yield f"{row.value} {numbers.percent(getattr(row, side))}"
