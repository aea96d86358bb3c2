"""`promptstone dataset`: versioned cases from files, grids, runs and calls."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import dataset_from, dataset_generate, dataset_training, state
from app.cli.files import opened
from app.cli.group import new_group
from app.cli.show import Json, print_json, print_pairs, print_table, say
from core.names import split_ref

if TYPE_CHECKING:
    from evalsets.files.cases import ParsedCases

commands = new_group("Data sets: versioned cases from a file, a grid, a run or calls.")
Ref = Annotated[str, typer.Argument(metavar="NAME[@V]", help="V: a version [latest].")]


class Form(StrEnum):
    """Format of an export."""

    CSV = "csv"
    JSONL = "jsonl"
    XLSX = "xlsx"


@commands.command()
def push(
    name: str,
    file: Annotated[Path, typer.Argument(help="CSV, TSV, JSONL, JSON, XLSX or Parquet.")],
    expected: Annotated[str | None, typer.Option(help="Column of the expected output.")] = None,
    mapping: Annotated[
        list[str], typer.Option("--map", metavar="VARIABLE=COLUMN", help="Rename a column; repeat.")
    ] = [],  # noqa: B006
    encoding: Annotated[str | None, typer.Option(help="Instead of finding it out.")] = None,
    message: Annotated[str, typer.Option(help="What changed.")] = "",
    json: Json = False,
) -> None:
    """Make a whole new version of a file's cases; the same cases make none."""
    from evalsets.files.cases import column_map
    from evalsets.files.reading import ReadOptions, read_cases

    options = ReadOptions(column_map(mapping, expected) or None, encoding)
    _save(name, read_cases(file, options), message, file.name, json)


@commands.command()
def grid(
    name: str,
    axis: Annotated[
        list[str], typer.Option(metavar="K=V1,V2,...", help="A variable's values; repeat.")
    ],
    sample: Annotated[int | None, typer.Option(min=1, help="So many combinations only.")] = None,
    seed: Annotated[int, typer.Option(help="Which of them.")] = 0,
    message: Annotated[str, typer.Option(help="What changed.")] = "",
    json: Json = False,
) -> None:
    """Make cases of every combination, or of a seeded sample."""
    from evalsets.datasets.grid import describe_grid, grid_cases, parse_axis

    axes = [parse_axis(text) for text in axis]
    source = describe_grid(axes, sample, seed)
    _save(name, grid_cases(axes, sample, seed), message, source, json)


def _save(name: str, parsed: "ParsedCases", message: str, source: str, as_json: bool) -> None:
    from evalsets.datasets.service import push as save

    _ = parsed.hash  # takes a while, so before the transaction
    with state.writing() as session:
        version, created = save(session, name, parsed, message=message, source=source)
    for notice in parsed.notices:
        say(notice)
    if as_json:
        print_json({**version._asdict(), "created": created})
    else:
        print(f"{version.ref} ({version.cases} cases{'' if created else ', unchanged'})")


@commands.command("list")
def list_all(
    search: Annotated[str | None, typer.Option(help="Part of the name.")] = None,
    json: Json = False,
) -> None:
    """All data sets by name."""
    from evalsets.datasets.service import list_datasets

    with state.reading() as session:
        found = page = list_datasets(session, search=search, limit=500)
        while len(page) == 500:
            page = list_datasets(session, search=search, after=page[-1].name, limit=500)
            found = found + page
    if json:
        print_json({"datasets": [row._asdict() for row in found]})
        return
    print_table(
        ("data set", "newest", "cases", "columns", "changed", "by"),
        ((r.name, r.newest, r.cases, r.columns, r.updated_at, r.author) for r in found),
    )


@commands.command()
def show(
    ref: Ref,
    limit: Annotated[int, typer.Option(min=0, help="So many cases.")] = 10,
    json: Json = False,
) -> None:
    """One version and its first cases."""
    from evalsets.datasets.cases import iter_cases
    from evalsets.datasets.service import get

    with state.reading() as session:
        version = get(session, *split_ref(ref))
        cases = list(iter_cases(session, version.version_id, limit=limit))
    if json:
        rows = [case._asdict() for case in cases]
        for row in rows:
            del row["id"], row["inputs_hash"]
        print_json({**version._asdict(), "first": rows})
        return
    print_pairs([
        ("data set", f"{version.ref} of {version.newest}"), ("cases", version.cases),
        ("source", version.source), ("saved", version.created_at), ("by", version.author),
        ("message", version.message), ("hash", version.hash),
    ])  # fmt: skip
    print()
    heads = ("id", "split", *version.columns, "expected")
    rows = ([c.case_id, c.split, *(_short(c.inputs.get(n)) for n in version.columns),
             _short(c.expected)] for c in cases)  # fmt: skip
    print_table(heads, rows)


def _short(value: object) -> object:
    return value[:39] + "…" if isinstance(value, str) and len(value) > 40 else value


@commands.command()
def export(
    ref: Ref,
    form: Annotated[Form, typer.Option("--format")],
    output: Annotated[Path | None, typer.Option(help="File to write [stdout].")] = None,
) -> None:
    """All cases as a file that a push reads back to the same content."""
    from evalsets.datasets.cases import export_dataset

    with state.reading() as session, opened(output) as out:
        export_dataset(session, *split_ref(ref), form.value, out)


commands.command("from-run")(dataset_from.from_run)
commands.command("from-traces")(dataset_from.from_traces)
commands.command("generate")(dataset_generate.generate)
commands.command("training")(dataset_training.training)
commands.command("rows")(dataset_training.rows)
