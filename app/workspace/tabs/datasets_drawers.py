"""Where cases come from: a file, a parameter grid, a table one types into."""

import io
from collections.abc import Callable
from functools import partial

import pandas as pd
import streamlit as st

from app.workspace.components import access, column_names, drawer, numbers, table, url
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from app.workspace.tabs import datasets_edit, datasets_generate, datasets_training_drawer
from core.errors import PromptstoneError
from core.names import slug
from evalsets.datasets import edits as dataset_edits
from evalsets.datasets import service as datasets
from evalsets.datasets.cases import export_dataset
from evalsets.datasets.grid import count_combinations, describe_grid, grid_cases, parse_axis
from evalsets.files.cases import ParsedCases
from evalsets.files.export import ExportFormat
from evalsets.files.reading import Preview, ReadOptions, preview, read_stream

ICONS = {
    "file": ":material/upload_file:",
    "grid": ":material/grid_view:",
    "table": ":material/table_rows:",
}
_TYPES = ["csv", "tsv", "jsonl", "json", "xlsx", "parquet"]
_MOST_COLUMNS = 100


def more() -> dict[str, Callable[[], None]]:
    """What the More menu of a data set offers, by string key."""
    return {
        "datasets.edit": datasets_edit.begin,
        "datasets.generate": partial(url.open_drawer, "generate"),
        "datasets.new_version": partial(url.open_drawer, "file"),
        "datasets.export": partial(url.open_drawer, "export"),
    }


def draw(name: str | None) -> None:
    """The drawer that the address names."""
    bodies = {"file": lambda: _file(name), "grid": _grid, "table": _table}
    bodies["training"] = lambda: datasets_training_drawer.body(name)
    if name is not None:
        bodies["export"] = lambda: _export(name)
        bodies["generate"] = lambda: datasets_generate.body(name)
        bodies["cases"] = lambda: datasets_edit.drawer_body(name)
    which = url.drawer()
    if which in bodies:
        drawer.drawer(t(f"datasets.drawer_{which}"), bodies[which], width=620)


def _file(name: str | None) -> None:
    file = st.file_uploader(t("datasets.file"), type=_TYPES, max_upload_size=200)
    if file is None:
        st.caption(t("datasets.file_help"))
        return
    found = preview(io.BytesIO(file.getvalue()), file.name)
    try:
        renamed = column_names.mapping(found.file_columns, "column")
    except PromptstoneError as error:
        st.error(plain(error.message), icon=":material/error:")
        return
    options = ReadOptions(mapping=renamed or None)
    if renamed:
        found = preview(io.BytesIO(file.getvalue()), file.name, options)
    _show(found)
    if found.problems:
        return
    with drawer.form("dataset_file"):
        given = st.text_input(
            t("datasets.name"), value=name or slug(file.name.rsplit(".", 1)[0]),
            disabled=name is not None,
        )  # fmt: skip
        message = st.text_input(t("datasets.message"))
        parsed = partial(read_stream, io.BytesIO(file.getvalue()), file.name, options)
        _push(given, parsed, message, file.name)


def _show(found: Preview) -> None:
    for problem in found.problems:
        where = f"{raw('datasets.line', n=problem.line)}: " if problem.line else ""
        st.error(plain(f"{where}{problem.message}"), icon=":material/error:")
    if not found.cases:
        return
    facts = [raw("datasets.rows", n=numbers.count(found.rows)), (found.format or "").upper()]
    st.caption(plain(" · ".join(filter(None, [*facts, found.encoding]))))
    for notice in found.notices:
        st.caption(plain(notice))
    rows = [{"id": c.case_id, **c.inputs, "expected": c.expected} for c in found.cases]
    columns = ["id", *found.columns[:6]]
    columns += ["expected"] if any(case.expected is not None for case in found.cases) else []
    table.still(rows, {c: c for c in columns}, alt=raw("datasets.preview"))


def _push(name: str, parse: Callable[[], ParsedCases], message: str, source: str) -> None:
    """The form's verb: parse outside the transaction, store inside."""
    if not st.form_submit_button(t("datasets.save"), type="primary"):
        return
    try:
        parsed = parse()
        _ = parsed.hash
        with access.writing() as session:
            pushed = datasets.push(session, name.strip(), parsed, message=message, source=source)
    except PromptstoneError as error:
        st.error(plain(error.message), icon=":material/error:")
        return
    drawer.done(id=pushed.version.name)


def _grid() -> None:
    frame = pd.DataFrame({"name": ["topic", "style"], "values": ["", ""]})
    edited = st.data_editor(
        frame, key="grid_axes", num_rows="dynamic", hide_index=True, alt=raw("datasets.axes"),
        column_config={
            "name": st.column_config.TextColumn(raw("datasets.variable")),
            "values": st.column_config.TextColumn(raw("datasets.values"), width="large"),
        },
    )  # fmt: skip
    st.caption(t("datasets.axes_help"))
    lines = [f"{row['name']}={row['values']}" for row in edited.to_dict("records") if row["values"]]
    if not lines:
        return
    try:
        axes = [parse_axis(line) for line in lines]
        total = count_combinations(axes)
    except PromptstoneError as error:
        st.error(plain(error.message), icon=":material/error:")
        return
    st.text(raw("datasets.combinations", n=numbers.count(total)))
    left, right = st.columns(2, wrap=False)
    sample = left.number_input(
        t("datasets.sample"), 1, total, None, placeholder=raw("table.all"), key="grid_sample"
    )
    seed = right.number_input(t("datasets.seed"), 0, None, 0, key="grid_seed")
    with drawer.form("dataset_grid"):
        name = st.text_input(t("datasets.name"), placeholder="news-grid")
        made = partial(grid_cases, axes, sample, int(seed))
        _push(name, made, "", describe_grid(axes, sample, int(seed)))


def _table() -> None:
    names = st.text_input(t("datasets.columns_field"), value="question, expected")
    columns = [part.strip() for part in names.split(",") if part.strip()][:_MOST_COLUMNS]
    frame = pd.DataFrame({column: [""] * 3 for column in columns}, dtype="object")
    edited = st.data_editor(
        frame, key=f"typed_{'_'.join(columns)}", num_rows="dynamic", hide_index=True,
        alt=raw("datasets.preview"),
    )  # fmt: skip
    rows = [
        {str(k): v for k, v in row.items() if isinstance(v, str) and v != ""}
        for row in edited.to_dict("records")
    ]
    rows = [row for row in rows if row]
    with drawer.form("dataset_table"):
        name = st.text_input(t("datasets.name"))
        _push(name, partial(dataset_edits.typed_cases, rows), "", raw("datasets.typed"))


def _export(name: str) -> None:
    with access.reading() as session:
        version = datasets.get(session, name, url.get("v") or "latest")

    def written(form: ExportFormat) -> bytes:
        out = io.BytesIO()
        with access.reading() as session:
            export_dataset(session, version.name, version.version, form, out)
        return out.getvalue()

    forms: tuple[ExportFormat, ...] = ("csv", "jsonl", "xlsx")
    for form in forms:
        st.download_button(
            t("prompts.download", form=form.upper()), data=partial(written, form),
            file_name=f"{version.name.replace('/', '-')}-{version.version}.{form}",
            icon=":material/download:", on_click="ignore", key=f"dataset_export_{form}",
        )  # fmt: skip
    datasets_training_drawer.downloads(version)
