"""`promptstone user`: sign-in links."""

from typing import Annotated

import typer

from app.cli import state
from app.cli.group import new_group
from app.cli.show import Json, print_json

commands = new_group("Sign-in links.")


@commands.command()
def link(
    name: Annotated[str, typer.Argument(help="Whom the link signs in, such as admin.")],
    json: Json = False,
) -> None:
    """Make a sign-in link that works once, for 15 minutes."""
    from app.server.binding import url_of
    from core.locks import holder_note
    from core.users import LINK_MINUTES, make_link_token

    with state.writing() as session:
        token = make_link_token(session, name)
    settings = state.settings()
    running = holder_note(settings.data / "server.lock")
    place = settings.public_url or running or url_of(settings.host, settings.port)
    url = f"{place}/sign-in?token={token}"
    if json:
        print_json({"user": name, "url": url, "minutes": LINK_MINUTES})
    else:
        print(f"Sign in: {url}")
