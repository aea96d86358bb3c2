"""The `promptstone` command: its options, its lazily imported commands, its exit statuses."""

import gc
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, NamedTuple, NoReturn

import typer
from typer.core import TyperGroup

from app.cli import state
from core.errors import PromptstoneError


class _Entry(NamedTuple):
    """Where a command lives and its line in the help; the module is imported when it is called."""

    module: str
    help: str


_COMMANDS = {
    "up": _Entry("app.cli.up", "Start the workspace and its worker."),
    "doctor": _Entry("app.cli.doctor", "Tell what works here, what is missing, how to fix it."),
    "model": _Entry("app.cli.model", "Models: add, list, test, remove."),
    "backend": _Entry("app.cli.backend", "Servers of our own models: add, start, stop, logs."),
    "prompt": _Entry("app.cli.prompt", "Versions of prompts: push, show, render, diff, alias."),
    "dataset": _Entry("app.cli.dataset", "Versioned cases: push, grid, from-run, list, show."),
    "kb": _Entry("app.cli.kb", "Knowledge bases: create, add, search, eval, snapshot."),
    "import": _Entry("app.cli.import_", "From promptfoo, Langfuse, OpenAI, files of prompts."),
    "run": _Entry("app.cli.run", "Batches: start, import, list, show, pause, resume, export."),
    "label": _Entry("app.cli.label", "Labels as JSON Lines: export, import."),
    "verdict": _Entry("app.cli.verdict", "Which arm is better, in words."),
    "app": _Entry("app.cli.app", "Apps: create, release, promote, roll back, export."),
    "key": _Entry("app.cli.key", "API keys: create, list, revoke."),
    "trace": _Entry("app.cli.trace", "Calls of apps: list, show, export."),
    "tune": _Entry("app.cli.tune", "Train a model of our own: start, show, stop, resume."),
    "user": _Entry("app.cli.user", "Sign-in links."),
    "audit": _Entry("app.cli.audit", "Who did what."),
    "backup": _Entry("app.cli.backup", "Write everything into one file, also while it runs."),
    "restore": _Entry("app.cli.restore", "Bring a backup into an empty data folder."),
}


class _Lazy(TyperGroup):
    """A group that knows the names of its commands without importing them."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # pyright: ignore
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        entry = _COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command = typer.main.get_command(import_module(entry.module).commands)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in _COMMANDS.items()])


app = typer.Typer(
    cls=_Lazy, rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False,
    no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip


def _version(wanted: bool) -> None:
    """Asked for before any command, it stands alone."""
    if wanted:
        from importlib.metadata import version as of

        print(of("promptstone"))
        raise typer.Exit


@app.callback()
def options(
    data_dir: Annotated[
        Path | None, typer.Option(help="Data folder [PROMPTSTONE_DATA_DIR, ~/.promptstone].")
    ] = None,
    actor: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Who does it, for the records.")
    ] = None,
    version: Annotated[  # noqa: ARG001
        bool,
        typer.Option("--version", help="Print the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    """Write a prompt, run it on real cases over several models, label, and know which is better."""
    state.choose(data_dir, actor)


def run() -> NoReturn:
    """Entry of the console script; 0 done, 1 an error with its remedy, 2 usage, 100 a gate."""
    gc.set_threshold(50_000, 20, 20)  # imports make objects that live as long as the command
    try:
        app(prog_name="promptstone")
    except PromptstoneError as error:
        _fail(error.message, error)
    except Exception as error:
        _fail(
            f"This failed in an unforeseen way ({type(error).__name__}: {_first_line(error)}). "
            "Set PROMPTSTONE_DEBUG=1 to see where, and report it.",
            error,
        )
    finally:
        state.close()
    sys.exit(0)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:300]


def _fail(message: str, error: Exception) -> NoReturn:
    if os.environ.get("PROMPTSTONE_DEBUG"):
        import traceback

        traceback.print_exception(error)
    print(message, file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    run()
