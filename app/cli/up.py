"""`promptstone up`."""

from enum import StrEnum
from typing import Annotated

import typer

from app.cli import state
from app.cli.group import new_group

commands = new_group()


class Role(StrEnum):
    """Which part of the server this process is."""

    ALL = "all"
    UI = "ui"
    API = "api"
    WORKER = "worker"


@commands.command()
def up(
    host: Annotated[str | None, typer.Option(help="Address to listen on [127.0.0.1].")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on [8501].", min=0, max=65535)
    ] = None,
    role: Annotated[Role, typer.Option(help="One part alone needs PostgreSQL.")] = Role.ALL,
) -> None:
    """Start the workspace and its worker on one port; prints a one-time sign-in link."""
    from app.server.environment import silence_telemetry

    silence_telemetry()
    from app.server.up import up as serve

    raise typer.Exit(serve(state.settings(host=host, port=port), role.value))
