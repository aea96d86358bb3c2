"""Edits that were made on a version which is not the newest any more: what now?"""

import streamlit as st

from app.workspace.components import access, case_edits, numbers, url
from app.workspace.components.case_edits import CaseEdits
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from evalsets.datasets import service as datasets
from evalsets.datasets.cases import iter_cases
from evalsets.datasets.service import DatasetPublic


def stale(edits: CaseEdits, newest: DatasetPublic) -> bool:
    """Whether something waits that stands on an older version."""
    return edits.based_on < newest.version and edits.together().any


def draw(edits: CaseEdits, newest: DatasetPublic, place: str = "page") -> None:
    """Say whose version came between, and offer to go on from it."""
    said = {"newer": newest.version, "base": edits.based_on, "when": numbers.ago(newest.created_at)}
    with st.container(border=True, key=f"edits_stale_{place}"):
        st.text(raw("datasets.stale", author=newest.author.removeprefix("user:"), **said))
        with st.container(horizontal=True, vertical_alignment="center"):
            url.link(
                "datasets", plain(raw("datasets.stale_compare")), id=newest.name, tab="versions"
            )
            st.button(
                t("datasets.stale_on_top", n=newest.version), key=f"edits_on_top_{place}",
                on_click=_on_top, args=(newest.name,), icon=":material/save:",
            )  # fmt: skip


def _on_top(name: str) -> None:
    """Put the draft on the newest version and show what it changes there before it is saved."""
    with access.reading() as session:
        newest = datasets.get(session, name)
        edits = case_edits.load(name, newest.version)
        old = datasets.get(session, name, edits.based_on)
        before = list(iter_cases(session, old.version_id))
        now = list(iter_cases(session, newest.version_id))
    case_edits.keep(name, case_edits.rebased(edits, before, now, newest.version))
    url.put(edit=1, do="cases", tab=None, v=None, sel=None, after=None)
