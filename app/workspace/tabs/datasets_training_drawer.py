"""The drawer that makes training rows of what people said of a run or of an app's calls."""

import io
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import streamlit as st

from app.training_rows import app_rows
from app.workspace.components import access, drawer, numbers, row_figures
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from core.errors import Invalid, PromptstoneError
from evalsets.datasets.service import DatasetPublic, get
from evalsets.runs.service import list_runs
from serving.service import list_apps
from tuning.data.candidates import Candidate
from tuning.data.cleaning import RowCleaning
from tuning.data.formats import RowFormat, write_format
from tuning.data.from_run import run_rows
from tuning.data.languages import LANGUAGES
from tuning.data.making import Prepared, prepare, store
from tuning.data.reading import kind_of
from tuning.data.sources import dataset_rows
from tuning.methods import RowKind

KINDS: tuple[RowKind, ...] = ("sft", "dpo", "kto")
STEPS = ("empty", "pii", "duplicates", "near_duplicates", "refusals")


class _Source(NamedTuple):
    """Where rows come from: a run, an app or a version of a data set."""

    what: str
    ref: str
    label: str


def body(name: str | None) -> None:
    """`name`: the data set that is open, whose rows may be cleaned into another."""
    sources = _sources(name)
    if not sources:
        st.caption(t("training.no_source"))
        return
    source = st.selectbox(
        t("training.source"), sources, key="training_source", format_func=lambda one: one.label
    )
    kind = st.selectbox(
        t("training.kind"), KINDS, key="training_kind",
        format_func=lambda kind: raw(f"training.kind_{kind}"),
    )  # fmt: skip
    with drawer.form("dataset_training"):
        given = st.text_input(t("datasets.name"), value="", placeholder=f"rows-{kind}")
        steps = st.multiselect(
            t("training.cleaning"), STEPS, default=STEPS[:4],
            format_func=lambda step: raw(f"training.step_{step}"), placeholder=raw("runs.choose"),
        )  # fmt: skip
        languages = st.multiselect(t("training.languages"), LANGUAGES, placeholder=raw("table.all"))
        context = st.number_input(t("training.context"), 16, 1 << 24, None, step=1024)
        on = {step: step in steps for step in STEPS}
        cleaning = RowCleaning(**on, languages=tuple(languages), context=context)
        look = st.form_submit_button(t("training.preview"), icon=":material/visibility:")
        made = partial(_prepared, given, source, kind, cleaning)
        stored = drawer.submit_outside("training.save", partial(_store, made, source))
    if stored is not None:
        drawer.done(id=stored, tab="training")
    if look:
        _preview(made)


def _preview(made: "partial[Prepared]") -> None:
    with access.shown_errors():
        report = made().report
        st.text(raw("training.new_n", new=numbers.count(report.new),
                    known=numbers.count(report.known)))  # fmt: skip
        row_figures.leaks(report.leaks)
        row_figures.steps(report.given, len(report.leaks), report.steps)
        row_figures.tokens(report.tokens)


def _prepared(name: str, source: _Source, kind: RowKind, cleaning: RowCleaning) -> Prepared:
    rows = _gathered(source, kind)
    return prepare(access.database(), name.strip() or f"rows-{kind}", kind, rows, cleaning)


def _store(made: "partial[Prepared]", source: _Source) -> str:
    ready = made()
    with access.writing() as session:
        return store(session, ready, f"from {source.what} {source.ref}").version.name


def _gathered(source: _Source, kind: RowKind) -> list[Candidate]:
    """Rows of the source; what it could not give is said. Raises Invalid where it gave none."""
    left_out: dict[str, int] = {}
    if source.what == "app":
        rows, left_out = app_rows(access.database(), source.ref, kind)
    else:
        with access.reading() as session:
            if source.what == "run":
                rows, left_out = run_rows(session, source.ref, kind)
            else:
                found = dataset_rows(session, source.ref, "latest", kind)
                rows = found.rows
                left_out = {bad.reason: 1 for bad in found.bad[:3]}
    for reason, n in left_out.items():
        st.caption(plain(raw("training.left_out", n=numbers.count(n), reason=reason)))
    if not rows:
        raise Invalid(raw("training.nothing"))
    return rows


def _sources(name: str | None) -> list[_Source]:
    """Rows of the open data set, its own runs before those of others, then apps."""
    with access.reading() as session:
        runs = [
            _Source("run", run.id, f"{raw('training.run')} {run.dataset} · {run.id[:8]} · "
                    f"{numbers.ago(run.created_at)}")
            for run in sorted(list_runs(session, limit=50), key=lambda run: run.dataset != name)
        ]  # fmt: skip
        apps = [_Source("app", one.name, f"{raw('training.app')} {one.name}")
                for one in list_apps(session)]  # fmt: skip
    own = _own(name)
    return [*([own] if own else []), *runs, *apps]


def _own(name: str | None) -> _Source | None:
    if name is None:
        return None
    try:
        with access.reading() as session:
            version = get(session, name)
    except PromptstoneError:
        return None
    if kind_of(version.columns) is None:
        return None
    return _Source("data", name, f"{raw('training.data')} {name}")


_FORMS: Mapping[RowKind, tuple[RowFormat, ...]] = {
    "sft": ("alpaca", "sharegpt", "messages"),
    "dpo": ("sharegpt", "messages", "prompt_chosen_rejected"),
    "kto": ("sharegpt", "messages", "kto"),
}


def downloads(version: DatasetPublic) -> None:
    """Training rows in the formats of other trainers; bad rows are not among them."""
    kind = kind_of(version.columns)
    if kind is None:
        return

    def written(form: RowFormat) -> bytes:
        with access.reading() as session:
            found = dataset_rows(session, version.name, version.version, kind)
        out = io.BytesIO()
        write_format((one.row for one in found.rows), form, "jsonl", out)
        return out.getvalue()

    st.caption(t("training.formats"))
    for form in _FORMS[kind]:
        if form == "alpaca" and "tools" in version.columns:
            continue  # it has no place for them
        st.download_button(
            t("prompts.download", form=form), data=partial(written, form),
            file_name=f"{version.name.replace('/', '-')}-{version.version}-{form}.jsonl",
            icon=":material/download:", on_click="ignore", key=f"dataset_rows_{form}",
        )  # fmt: skip
