"""Files of other programs: what will be taken of them and what not, then the button."""

import streamlit as st

from app.workspace.components import access, drawer, numbers, table
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from core.errors import PromptstoneError
from evalsets.foreign.taking import ReadyArrival, Taken, ready, take
from evalsets.foreign.uploads import SUFFIXES, read_together

_SHOWN = 200


def body() -> None:
    """The drawer."""
    files = st.file_uploader(
        t("prompts.files"), type=list(SUFFIXES), max_upload_size=50, accept_multiple_files=True
    )
    if not files:
        st.caption(t("prompts.files_help"))
        return
    try:
        given = ready(read_together({file.name: file.getvalue() for file in files}))
        with access.writing() as session:  # a plan: it is taken back
            planned = take(session, given)
            session.rollback()
    except PromptstoneError as error:
        st.error(plain(error.message), icon=":material/error:")
        return
    _show(planned)
    if not any((planned.prompts, planned.datasets, planned.models, planned.runs)):
        return
    with drawer.form("prompt_import"):
        made = drawer.submit("prompts.import_these", lambda session: take(session, given))
    if made is not None:
        _leave(made, given)


def _show(planned: Taken) -> None:
    rows = [_row("prompt", f"{one.name}@{one.version}", one.created) for one in planned.prompts]
    rows += [
        _row("dataset", f"{one.name}@{one.version} · {numbers.count(one.cases)}", one.created)
        for one in planned.datasets
    ]
    rows += [_row("model", f"{one.name} · {one.model}", one.created) for one in planned.models]
    rows += [
        _row("run", f"{one.title} · {numbers.count(one.cells)}", one.created)
        for one in planned.runs
    ]
    rows += [_row("evaluator", one.name, one.state == "new") for one in planned.evaluators]
    if rows:
        st.subheader(t("prompts.taken", n=numbers.count(len(rows))), anchor=False)
        heads = {key: raw(f"prompts.taken_{key}") for key in ("what", "name", "state")}
        table.still(rows[:_SHOWN], heads, alt=raw("prompts.taken", n=len(rows)), in_sight=8)
    if planned.not_taken:
        count = len(planned.not_taken)
        st.subheader(t("prompts.not_taken", n=numbers.count(count)), anchor=False)
        left = [one._asdict() for one in planned.not_taken[:_SHOWN]]
        heads = {key: raw(f"prompts.left_{key}") for key in ("what", "reason", "where")}
        table.still(left, heads, alt=raw("prompts.not_taken", n=count), in_sight=8)


def _row(what: str, name: str, created: bool) -> dict[str, str]:
    state = "new" if created else "unchanged"
    return {"what": raw(f"prompts.of_{what}"), "name": name, "state": raw(f"prompts.is_{state}")}


def _leave(made: Taken, given: ReadyArrival) -> None:
    """To the one prompt, where there is one, else to the catalogue."""
    alone = len(made.prompts) == 1 and not given.arrival.datasets
    drawer.done(id=made.prompts[0].name if alone else None)
