"""How every group of commands is made."""

import typer


def new_group(help_text: str | None = None) -> typer.Typer:
    """A Typer app in our manner: plain help, no completion, help when no command is given.

    With a help it is a group, of which each command has a name even where there is but one.
    """
    group = typer.Typer(
        help=help_text, rich_markup_mode=None, add_completion=False,
        pretty_exceptions_enable=False, no_args_is_help=help_text is not None,
    )  # fmt: skip
    if help_text is not None:
        group.callback()(_group)
    return group


def _group() -> None: ...
