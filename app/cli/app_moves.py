"""`promptstone app promote` and `rollback`."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import state
from app.cli.app_replay import replayed
from app.cli.gating import FAILED
from app.cli.show import Json, print_json, say
from core.names import check_alias, split_ref

if TYPE_CHECKING:
    from serving.gates import Promotion, RunGate
    from serving.models import AppAliasMove


def promote(
    ref: Annotated[str, typer.Argument(metavar="NAME@N", help="The release.")],
    alias: Annotated[str, typer.Argument(metavar="ALIAS", help="production, staging, …")],
    canary: Annotated[
        int | None,
        typer.Option(metavar="PERCENT", min=1, max=99, help="Only so many of the calls."),
    ] = None,
    gate: Annotated[
        str | None,
        typer.Option(metavar="RUN:EXPR", help="Refuse unless the run's arm of it passes."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; kept with the move.")] = "",
    no_replay: Annotated[
        bool, typer.Option("--no-replay", help="Do not ask the failed set first.")
    ] = False,
    json: Json = False,
) -> None:
    """Point an alias at a release; 100 when the gate fails.

    Where the app has a failed set, the release is asked it first, and the result is shown.
    """
    from serving.gates import parse_gate

    parsed, alias = parse_gate(gate) if gate else None, check_alias(alias)
    name, number = split_ref(ref)[0], _number(ref)
    replay = None if no_replay else replayed(name, number)
    found = _promoted(f"{name}@{number}", alias, canary, parsed, reason)
    if json:
        print_json({
            "app": name, "release": number, "alias": alias, "canary": canary,
            "moved": found.move is not None, "holds": found.result.holds,
            "failures": [failure.sentence for failure in found.result.failures],
            "replay": None if replay is None else replay._asdict(),
        })  # fmt: skip
    for failure in found.result.failures:
        say(failure.sentence)
    if not found.result.holds:
        say(f"{name}@{alias} stays where it is.")
        raise typer.Exit(FAILED)
    if found.move is None:
        say(f"{name}@{alias} is release {number} already.")
    elif canary is not None:
        say(f"{canary}% of the calls of {name}@{alias} go to release {number}.")
    else:
        say(f"{name}@{alias} is release {number}.")


def _promoted(
    ref: str, alias: str, canary: int | None, gate: "RunGate | None", reason: str
) -> "Promotion":
    from evalsets.verdicts.gates import GateResult
    from serving import aliases, gates

    name, number = split_ref(ref)
    with state.writing() as session:
        if gate is not None:
            return gates.promote_on(
                session, name, number, alias, gate, canary=canary, reason=reason
            )
        move = aliases.promote(session, name, number, alias, canary=canary, reason=reason)
        return gates.Promotion(move, GateResult(True, []))


def _number(ref: str) -> int:
    from serving.lookup import resolve

    with state.reading() as session:
        return resolve(session, *split_ref(ref)).release.number


def rollback(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    alias: Annotated[str, typer.Argument(metavar="[ALIAS]")] = "production",
    reason: Annotated[str, typer.Option(help="Why; kept with the move.")] = "",
    json: Json = False,
) -> None:
    """Point an alias back to where it pointed before; a running canary is ended instead."""
    from serving import aliases

    with state.writing() as session:
        move: AppAliasMove = aliases.rollback(session, name, alias, reason=reason)
        before, after = move.from_release, move.to_release
    if json:
        print_json({"app": name, "alias": alias, "from": before, "release": after})
    else:
        print(f"{name}@{after}")
        say(f"{name}@{alias} is back at release {after}, from {before}.")
