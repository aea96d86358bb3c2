"""The drawer of a new training: base, rows, method, adapter, knobs; then what will happen."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import streamlit as st

from app.server import row_checks, training_starts
from app.workspace.components import access, drawer, live, model_faces, tuning, url
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from app.workspace.tabs import tuning_knobs, tuning_more, tuning_plan
from core.errors import Invalid, PromptstoneError
from core.names import check_name, split_ref
from evalsets.datasets import service as datasets
from evalsets.datasets.service import DatasetPublic
from tuning.data.reading import kind_of
from tuning.methods import RowKind
from tuning.service import TuneRequest

METHODS: dict[RowKind, Sequence[str]] = {"sft": ("sft",), "dpo": ("dpo", "reward"), "kto": ("kto",)}
ADAPTERS = ("lora", "dora", "ia3", "prefix", "prompt", "p_tuning", "full")
_MOST = 500


class _Fields(NamedTuple):
    """What was chosen; `bases` and `refs` (of rows) are those that were offered."""

    version: DatasetPublic
    kind: RowKind
    base: str
    bases: Sequence[str]
    method: str
    adapter: str
    refs: Sequence[str]


def body() -> None:
    """The fields, or what has become of the start that was asked for."""
    asked = training_starts.find(access.actor())
    if asked is None:
        _form(None)
    elif asked.lives:
        live.live(_waiting, alive=True)
    elif asked.error is not None:
        _form(asked.error)
    else:
        training_starts.forget(access.actor())
        drawer.done(id=asked.name)


def _waiting() -> bool:
    st.caption(t("tuning.checking_start"))
    asked = training_starts.find(access.actor())
    return asked is not None and asked.lives


def _form(refused: str | None) -> None:
    offered = _offered()
    if not offered:
        st.caption(t("tuning.no_rows"))
        url.link("datasets", t("tuning.make_rows"), ":material/dataset:", do="training")
        return
    st.text_input(t("tuning.column_name"), key="tuning_name", help=t("prompts.name_help"))
    bases = model_faces.local_bases()
    base = st.selectbox(
        t("tuning.column_base"), bases, key="tuning_base",
        accept_new_options=tuning.may_name_folders(), placeholder=raw("runs.choose"),
        help=t("tuning.base_help") if tuning.may_name_folders() else None,
    )  # fmt: skip
    refs = [one.ref for one in offered]
    wanted = url.get("data")
    data = st.selectbox(
        t("tuning.column_data"), refs, key="tuning_data",
        index=refs.index(wanted) if wanted in refs else 0,
    )  # fmt: skip
    version = offered[refs.index(data)]
    kind = kind_of(version.columns) or "sft"
    left, right = st.columns(2, wrap=False)
    method = left.selectbox(
        t("tuning.method"), METHODS[kind], key=f"tuning_method_{kind}",
        format_func=lambda code: raw(f"tuning.method_{code}"),
    )  # fmt: skip
    adapter = right.selectbox(
        t("tuning.adapter"), ADAPTERS, key="tuning_adapter",
        format_func=lambda code: raw(f"tuning.adapter_{code}"),
    )  # fmt: skip
    fields = _Fields(version, kind, str(base), bases, method, adapter, refs)
    alive = _check(version, kind).lives
    # A whole page that is drawn anew would take away what is being typed into a drawer.
    live.quietly(partial(_rest, fields, refused), alive=alive)


def _rest(fields: _Fields, refused: str | None) -> None:
    """Knobs, what will happen, and the button; drawn again while the rows are looked through."""
    check = _check(fields.version, fields.kind)
    try:
        data = fields.version.ref
        more = tuning_more.draw(fields.refs, data)
        asked = tuning_knobs.draw(fields.method, fields.adapter, check.found, more.params)
        planned = tuning_plan.draw(fields.version, fields.base, fields.bases, asked, check)
    except PromptstoneError as error:
        st.error(plain(error.message), icon=":material/error:")
        return
    if refused is not None:
        st.error(plain(refused), icon=":material/error:")
    pressed = st.button(
        t("tuning.start"), type="primary", icon=":material/play_arrow:", key="tuning_start",
        disabled=planned is None,
    )  # fmt: skip
    if pressed and planned is not None:
        request = TuneRequest(
            tuning.typed("tuning_name"), fields.base, data, more.evaluation, *asked,
            skip_bad=planned.skip_bad, gpu=more.gpu, gpus=more.gpus, memory=more.memory,
        )  # fmt: skip
        _start(request, fields.base in fields.bases)


def _start(request: TuneRequest, known_base: bool) -> None:
    try:
        tuning.check(tuning.may_act() and (known_base or tuning.may_name_folders()))
        if not request.name:
            raise Invalid(raw("tuning.name_it"))
        check_name(request.name, "tuning job")
    except PromptstoneError as error:
        st.error(plain(error.message), icon=":material/error:")
        return
    begun = training_starts.begin(access.database(), access.actor(), request)
    begun.done.wait(0.5)
    st.rerun()


def _offered() -> list[DatasetPublic]:
    """The newest versions that hold rows; the one of the address, whichever it is, first."""
    wanted = url.get("data")
    first: list[str] = [] if wanted is None else [wanted]
    with access.reading() as session:
        found = datasets.list_datasets(session, limit=_MOST)
        refs = [f"{one.name}@{one.newest}" for one in found if kind_of(one.columns) is not None]
        refs = list(dict.fromkeys([*first, *refs]))
        versions = [_version(session, ref) for ref in refs]
    return [one for one in versions if one is not None and kind_of(one.columns) is not None]


def _version(session: Any, ref: str) -> DatasetPublic | None:
    try:
        return datasets.get(session, *split_ref(ref))
    except PromptstoneError:
        return None


def _check(version: DatasetPublic, kind: RowKind) -> row_checks.RowCheck:
    """Looks through a version once; versions do not change."""
    check = row_checks.find(version.name, version.version)
    if check is None or check.kind != kind:
        check = row_checks.start(access.database(), version.name, version.version, kind)
        check.done.wait(0.3)
    return check
