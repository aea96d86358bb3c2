"""`promptstone dataset generate`: cases that a model writes, shown before they are saved."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from app.cli import state
from app.cli.asking import Asked, asked
from app.cli.files import read_file
from app.cli.show import Json, money, print_json, print_table, say
from core.errors import Invalid

if TYPE_CHECKING:
    from evalsets.improving.generating import Generated, Material
    from evalsets.improving.passages import Passage

_COLUMN = "input"


def generate(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The data set that gets them.")],
    model: Annotated[str, typer.Option(metavar="NAME", help="Model that writes.")],
    describe: Annotated[str, typer.Option(metavar="TEXT", help="What the task is.")] = "",
    text: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Knowledge to ask about, as UTF-8 text.")
    ] = None,
    kb: Annotated[
        str | None, typer.Option(metavar="NAME", help="Knowledge base whose passages to ask about.")
    ] = None,
    document: Annotated[
        str | None, typer.Option(metavar="NAME", help="One document of it [all].")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the draw of passages.")] = 0,
    from_run: Annotated[
        str | None, typer.Option(metavar="ID", help="Run whose bad labels to write more like.")
    ] = None,
    arm: Annotated[str | None, typer.Option(help="Whose failures, where it has several.")] = None,
    column: Annotated[
        list[str],
        typer.Option(metavar="NAME", help=f"An input; repeat [those of the data set, {_COLUMN}]."),
    ] = [],  # noqa: B006
    n: Annotated[int, typer.Option(min=1, max=100, help="How many.")] = 20,
    save: Annotated[bool, typer.Option("--save", help="Add them as the next version.")] = False,
    json: Json = False,
) -> None:
    """Show cases that a model writes; with --save, add them, tagged synthetic.

    From a knowledge base a passage is drawn for each case, evenly over its documents; cases keep
    the document in the column `relevant` and the place in `passage`. What nearly equals a case that
    is there is left out and counted; held-out cases stay unseen.
    """
    from evalsets.datasets.adding import add_cases
    from evalsets.improving.generating import generated, messages, schema

    if document is not None and kb is None:
        raise typer.BadParameter("name the knowledge base with --kb.", param_hint="--document")
    drawing = None if kb is None else _Drawing(kb, document, seed)
    material = _material(name, column, n, describe, text, from_run, arm, drawing)
    answer = asked(model, messages(material), schema(material))
    found = generated(answer.text, material)
    version = None
    if save:
        if not found.cases:
            raise Invalid(f"No case is left to save: {_left_out(found)}. Ask again.")
        added = add_cases(
            state.database(), state.actor(), name, found.cases, f"{len(found.cases)} synthetic"
        )
        version = added.version.ref
    if json:
        print_json({
            "dataset": name, "saved": version, "near_duplicates": found.near_duplicates,
            "faulty": found.faulty, "passages": len(material.passages),
            "input_tokens": answer.input_tokens, "output_tokens": answer.output_tokens,
            "cost_usd": answer.cost,
            "cases": [
                {"inputs": case.inputs, "expected": case.expected, "tags": case.tags}
                for case in found.cases
            ],
        })  # fmt: skip
        return
    columns = material.columns
    print_table(
        (*columns, "expected"),
        ((*(case.inputs[one] for one in columns), case.expected) for case in found.cases),
    )
    if material.passages:
        documents = len({one.document for one in material.passages})
        say(f"Passages drawn: {len(material.passages)}, of {documents} documents.")
    _told(found, answer, version)


class _Drawing(NamedTuple):
    """Which passages are drawn."""

    kb: str
    document: str | None
    seed: int


def _material(
    name: str, columns: list[str], n: int, describe: str, text: Path | None,
    from_run: str | None, arm: str | None, drawing: _Drawing | None,
) -> "Material":  # fmt: skip
    from evalsets.datasets.adding import standing
    from evalsets.improving.failures import failures
    from evalsets.improving.generating import Material
    from evalsets.improving.passages import COLUMNS

    try:
        given = "" if text is None else read_file(text).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid(f"{text} is no UTF-8 text. Convert it.") from None
    with state.reading() as session:
        known = standing(session, name).cases
        bad = () if from_run is None else failures(session, from_run, arm=arm).chosen
    drawn = [] if drawing is None else _drawn(drawing, n, len(given))
    there = list(known.columns) if known is not None else []
    if drawn:
        there = [one for one in there if one not in COLUMNS]
    cases = known.cases if known else ()
    return Material(columns or there or [_COLUMN], n, describe, given, cases, bad, drawn)


def _drawn(drawing: _Drawing, n: int, taken: int) -> "list[Passage]":
    from evalsets.improving.generating import MOST_TEXT
    from evalsets.improving.passages import passages
    from rag.documents import find
    from rag.drawing import draw

    with state.reading() as session:
        if drawing.document is not None:
            find(session, drawing.kb, drawing.document)
        found = draw(session, drawing.kb, n, {}, document=drawing.document, seed=drawing.seed,
                     characters=MOST_TEXT - taken)  # fmt: skip
    if not found.chunks:
        raise Invalid(f"{drawing.kb} has no passage to draw. Add documents: `promptstone kb add`.")
    return passages(found.chunks)


def _left_out(found: "Generated") -> str:
    return f"{found.near_duplicates} near-duplicates and {found.faulty} that are no cases left out"


def _told(found: "Generated", answer: Asked, version: str | None) -> None:
    saved = f"Saved as {version}." if version else "Nothing is saved; --save adds them."
    say(f"{len(found.cases)} cases, {_left_out(found)}; {answer.input_tokens} tokens in, "
        f"{answer.output_tokens} out, {money(answer.cost)}. {saved}")  # fmt: skip
