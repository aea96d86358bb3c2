"""The model as whose input a training row is shown, and its chat template, read once."""

from pathlib import Path

import streamlit as st

from app.workspace.components import access
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from connectors.backends.prepare import is_name
from connectors.backends.service import list_backends
from core.errors import PromptstoneError
from tuning.bases import path_of
from tuning.data.seen import Face, face_of

_TURNS = ""


def local_bases() -> list[str]:
    """The embedded model, and backends whose files lie here."""
    with access.reading() as session:
        found = list_backends(session)
    own = (one for one in found if not one.elsewhere and one.settings.adapter is None)
    return ["demo", *(one.name for one in own if not is_name(one.settings.source))]


def pick() -> Face | None:
    """A choice of the turns themselves, or of a model that reads them; None for the turns."""
    chosen = st.selectbox(
        t("training.shown_as"), [_TURNS, *local_bases()], key="training_face",
        format_func=lambda name: raw("training.as_read_by", model=plain(name)) if name
        else raw("training.as_turns"), label_visibility="collapsed",
    )  # fmt: skip
    if chosen == _TURNS:
        return None
    try:
        return of(path_of(access.database(), chosen))
    except PromptstoneError as error:
        st.caption(f":material/error: {plain(error.message)}")
        return None


def of(base: Path) -> Face:
    """The face of a model's files; raises Invalid or Unavailable."""
    changed = base.stat().st_mtime_ns if base.exists() else 0
    return _read(str(access.database().settings.data), str(base), changed)


@st.cache_data(max_entries=32, show_spinner=False)
def _read(data: str, base: str, _changed: int) -> Face:
    return face_of(Path(data), Path(base))
