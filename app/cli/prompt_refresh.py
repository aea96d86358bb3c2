"""`promptstone prompt refresh`: new versions of prompts whose snippets moved."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import state
from app.cli.show import Json, print_json, say, visible

if TYPE_CHECKING:
    from prompts.diff import ContentDiff, MessageDiff


def refresh(
    names: Annotated[list[str], typer.Argument(metavar="NAME...")],
    plan: Annotated[bool, typer.Option("--plan", help="Only tell what would change.")] = False,
    message: Annotated[str, typer.Option(help="What changed [which snippet moved].")] = "",
    json: Json = False,
) -> None:
    """Look up what prompts include anew; each whose snippets moved gets a new version."""
    from prompts.diff import as_text
    from prompts.diff import diff as compare
    from prompts.service import get
    from prompts.service import refresh as look_up

    with state.writing() as session:
        old = [get(session, name) for name in names]
        made = [look_up(session, name, message) for name in names]
        if plan:
            session.rollback()
    found = [compare(a.content, b.version.content) for a, b in zip(old, made, strict=True)]
    if json:
        print_json({"plan": plan, "prompts": [
            {"name": one.name, "version": one.version, "created": created, **differences(change)}
            for (one, created), change in zip(made, found, strict=True)
        ]})  # fmt: skip
        return
    if plan:
        say("A plan: nothing is stored.")
    for (one, created), change in zip(made, found, strict=True):
        print(f"{one.name}@{one.version}{'' if created else ' (unchanged)'}")
        if created:
            print(visible(as_text(change), keep="\n\t"))


def differences(found: "ContentDiff") -> dict[str, Any]:
    """A diff of two versions as JSON."""

    def told(messages: "tuple[MessageDiff, ...]") -> list[dict[str, Any]]:
        return [
            {"before": m.before, "after": m.after, "pieces": [p._asdict() for p in m.pieces]}
            for m in messages
        ]

    return {
        "changed": found.changed, "messages": told(found.messages),
        "snippets": told(found.snippets),
        "settings": [setting._asdict() for setting in found.settings],
    }  # fmt: skip
