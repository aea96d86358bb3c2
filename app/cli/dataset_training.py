"""`promptstone dataset training` and `rows`: what a model learns from, made and written."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import state
from app.cli.dataset_training_text import as_json, print_report
from app.cli.files import opened
from app.cli.show import Json, print_json, say
from core.names import split_ref

if TYPE_CHECKING:
    from tuning.data.candidates import Candidate
    from tuning.data.cleaning import RowCleaning
    from tuning.methods import RowKind


class Kind(StrEnum):
    """What a model learns from: answers, pairs of answers, answers with thumbs."""

    SFT = "sft"
    DPO = "dpo"
    KTO = "kto"


class RowForm(StrEnum):
    """A format of training rows."""

    ALPACA = "alpaca"
    SHAREGPT = "sharegpt"
    MESSAGES = "messages"
    PAIRS = "prompt_chosen_rejected"
    KTO = "kto"


As = Annotated[Kind, typer.Option("--as", help="Kind of the rows.")]


def training(
    name: str,
    kind: As,
    from_run: Annotated[
        list[str], typer.Option(metavar="ID", help="Labels of a run; repeat.")
    ] = [],  # noqa: B006
    from_traces: Annotated[
        str | None, typer.Option(metavar="APP", help="Feedback on the calls of an app.")
    ] = None,
    from_file: Annotated[
        Path | None, typer.Option(help="Alpaca, ShareGPT, OpenAI messages, pairs or KTO.")
    ] = None,
    from_data: Annotated[
        str | None, typer.Option(metavar="NAME[@V]", help="Rows of another data set.")
    ] = None,
    clean: Annotated[bool, typer.Option(help="All steps that are on, or none.")] = True,
    empty: Annotated[bool, typer.Option(help="Take out rows without question or answer.")] = True,
    pii: Annotated[bool, typer.Option(help="Mask addresses and numbers of persons.")] = True,
    duplicates: Annotated[bool, typer.Option(help="Take out equal rows.")] = True,
    near_duplicates: Annotated[bool, typer.Option(help="Take out nearly equal rows.")] = True,
    refusals: Annotated[bool, typer.Option(help="Take out answers that refuse.")] = False,
    language: Annotated[
        list[str], typer.Option(metavar="CODE", help="Keep answers in it only: en, zh; repeat.")
    ] = [],  # noqa: B006
    context: Annotated[
        int | None, typer.Option(min=16, help="Take out rows of more tokens (an estimate).")
    ] = None,
    skip_bad: Annotated[bool, typer.Option(help="Go on without bad rows, up to 10 %.")] = False,
    plan: Annotated[bool, typer.Option(help="Show what would come of it, store nothing.")] = False,
    json: Json = False,
) -> None:
    """Make training rows from labels, corrections, preferences, feedback or files.

    What NAME holds already stays; rows that give away a case of a dev, test or holdout split are
    refused.
    """
    from tuning.data.making import prepare, store

    cleaning = _cleaning(
        clean, empty, pii, duplicates, near_duplicates, refusals, language, context
    )
    rows = _gathered(kind.value, from_run, from_traces, from_file, from_data, skip_bad)
    ready = prepare(state.database(), name, kind.value, rows, cleaning)
    if plan:
        version = None
    else:
        with state.writing() as session:
            version = store(session, ready, _message(from_run, from_traces, from_file, from_data))
    stored = None if version is None else version.version
    if json:
        print_json(as_json(kind.value, ready.report, stored))
    else:
        print_report(name, ready.report, stored)


def _cleaning(
    clean: bool, empty: bool, pii: bool, duplicates: bool, near: bool, refusals: bool,
    languages: list[str], context: int | None,
) -> "RowCleaning":  # fmt: skip
    from pydantic import ValidationError

    from tuning.data.cleaning import NOTHING, RowCleaning

    if not clean:
        return NOTHING
    try:
        return RowCleaning(
            empty=empty, pii=pii, duplicates=duplicates, near_duplicates=near, refusals=refusals,
            languages=tuple(languages), context=context,
        )  # fmt: skip
    except ValidationError as error:
        reason = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise typer.BadParameter(f"{reason}.", param_hint="--language") from None


def _gathered(
    kind: "RowKind", runs: list[str], app: str | None, file: Path | None, data: str | None,
    skip_bad: bool,
) -> "list[Candidate]":  # fmt: skip
    """Rows of every source that is named; what they could not give is said on stderr."""
    if not (runs or app or file or data):
        raise typer.BadParameter(
            "name a source: --from-run, --from-traces, --from-file or --from-data."
        )
    rows: list[Candidate] = []
    for run in runs:
        rows += _of_run(run, kind)
    if app is not None:
        rows += _of_calls(app, kind)
    if file is not None or data is not None:
        rows += _of_source(file, data, kind, skip_bad)
    return rows


def _of_run(run: str, kind: "RowKind") -> "list[Candidate]":
    from tuning.data.from_run import run_rows

    with state.reading() as session:
        found = run_rows(session, run, kind)
    _say_left_out(f"run {run}", "outputs", found.left_out)
    return found.rows


def _of_calls(app: str, kind: "RowKind") -> "list[Candidate]":
    from app.training_rows import app_rows

    found = app_rows(state.database(), app, kind)
    _say_left_out(app, "calls", found.left_out)
    return found.rows


def _of_source(
    file: Path | None, data: str | None, kind: "RowKind", skip_bad: bool
) -> "list[Candidate]":
    from tuning.data.loading import refuse_bad
    from tuning.data.sources import dataset_rows, file_rows

    rows: list[Candidate] = []
    found = [] if file is None else [file_rows(file, kind)]
    if data is not None:
        with state.reading() as session:
            found.append(dataset_rows(session, *split_ref(data), kind))
    for source in found:
        for bad in source.bad:
            say(f"{source.name}, {bad}.")
        refuse_bad(source.name, kind, source.bad, source.total, skip_bad=skip_bad)
        if source.unused:
            say(f"{source.unused} bad answers of {source.name} are nothing to learn by sft.")
        rows += source.rows
    return rows


def _say_left_out(where: str, what: str, left_out: dict[str, int]) -> None:
    for reason, n in left_out.items():
        say(f"{n} {what} of {where} are left out: {reason}.")


def _message(runs: list[str], app: str | None, file: Path | None, data: str | None) -> str:
    sources = [*(f"run {run}" for run in runs), app, None if file is None else file.name, data]
    return f"from {', '.join(source for source in sources if source)}"


def rows(
    ref: Annotated[str, typer.Argument(metavar="NAME[@V]", help="V: a version [latest].")],
    kind: As,
    form: Annotated[RowForm, typer.Option("--format")],
    output: Annotated[
        Path | None, typer.Option(help="File to write: .json is one list, else JSONL [stdout].")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Only rows of this split.")] = None,
) -> None:
    """Write training rows in the format of another trainer."""
    from tuning.data.formats import write_format
    from tuning.data.loading import refuse_bad
    from tuning.data.sources import dataset_rows

    with state.reading() as session:
        found = dataset_rows(session, *split_ref(ref), kind.value)
    refuse_bad(found.name, kind.value, found.bad, found.total, skip_bad=False)
    chosen = [one for one in found.rows if split is None or one.split == split]
    one_list = output is not None and output.suffix == ".json"
    with opened(output) as out:
        n = write_format(
            (one.row for one in chosen), form.value, "json" if one_list else "jsonl", out
        )
    say(f"{n} rows.")
