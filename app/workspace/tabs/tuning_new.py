"""The drawer of a new training: base, rows, method, adapter, knobs; then what will happen."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import streamlit as st

from app.server import row_checks, training_starts
from app.workspace.components import access, drawer, live, model_faces, tuning, url
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from app.workspace.tabs import tuning_plan
from core.errors import Invalid, PromptstoneError
from core.names import check_name, split_ref
from evalsets.datasets import service as datasets
from evalsets.datasets.service import DatasetPublic
from tuning.data.checkup import Checkup
from tuning.data.reading import kind_of
from tuning.knobs import derive, reasons
from tuning.methods import RowKind
from tuning.request import Asked, settings_of
from tuning.service import TuneRequest

METHODS: dict[RowKind, Sequence[str]] = {"sft": ("sft",), "dpo": ("dpo", "reward"), "kto": ("kto",)}
ADAPTERS = ("lora", "dora", "ia3", "prefix", "prompt", "p_tuning", "full")
_WITH_RANK = ("lora", "dora")
_MOST = 500


class _Field(NamedTuple):
    """A knob: its bounds and how its number is written."""

    low: float
    high: float
    format: str | None = None


_KNOBS: dict[str, _Field] = {
    "learning_rate": _Field(1e-8, 1.0, "%.6g"), "epochs": _Field(0.01, 1000.0, "%.6g"),
    "steps": _Field(1, 10_000_000), "batch": _Field(1, 65_536), "max_length": _Field(16, 1 << 20),
    "rank": _Field(1, 512),
}  # fmt: skip


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
    name = st.text_input(t("tuning.column_name"), key="tuning_name", help=t("prompts.name_help"))
    bases = model_faces.local_bases()
    base = st.selectbox(
        t("tuning.column_base"), bases, key="tuning_base",
        accept_new_options=tuning.may_name_folders(),
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
    check = _check(version, kind)
    try:
        asked = _knobs(method, adapter, check.found)
        planned = tuning_plan.draw(version, str(base), bases, asked, check)
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
        request = TuneRequest(name.strip(), str(base), data, None, *asked, planned.skip_bad)
        _start(request, base in bases)


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


def _knobs(method: str, adapter: str, found: Checkup | None) -> Asked:
    """The knobs that are set; the others show what follows from the rows. Raises Invalid."""
    usual = settings_of(method, adapter, {})
    derived: dict[str, Any] = {}
    why: dict[str, str] = {}
    if found is not None and found.learned:
        sizes = (found.learned, [found.tokens.both.most], usual.method, usual.adapter, usual.knobs)
        derived = derive(*sizes).model_dump()
        why = {one.knob: raw(f"tuning.why_{one.code}", **_written(one.figures))
               for one in reasons(*sizes)}  # fmt: skip
    names = [name for name in _KNOBS if name != "rank" or adapter in _WITH_RANK]
    derived["rank"] = usual.adapter.model_dump().get("rank")
    given: dict[str, Any] = {}
    with st.expander(t("tuning.knobs")):
        columns = st.columns(2, wrap=False)
        for place, name in enumerate(names):
            value = _knob(columns[place % 2], name, derived.get(name), why.get(name))
            if value is not None:
                given[name] = value
    if "steps" in given and "epochs" in given:
        raise Invalid(raw("tuning.steps_or_epochs"))
    return settings_of(method, adapter, given)


def _knob(column: Any, name: str, derived: float | None, why: str | None) -> float | None:
    field = _KNOBS[name]
    return column.number_input(
        t(f"tuning.knob_{name}"), field.low, field.high, None, format=field.format,
        placeholder="" if derived is None else f"{derived:g}", key=f"tuning_knob_{name}",
        help=None if why is None else plain(why),
    )  # fmt: skip


def _written(figures: Any) -> dict[str, str]:
    return {
        name: f"{value:,}" if isinstance(value, int) else f"{value:g}"
        for name, value in figures.items()
    }
