"""`promptstone model`: whom prompts can be sent to."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import state
from app.cli.group import new_group
from app.cli.parse import json_pairs
from app.cli.show import Json, print_json, print_table, say

if TYPE_CHECKING:
    from connectors.models import ModelSettings, TestResult
    from connectors.service import ModelPublic

commands = new_group("Models: any OpenAI-compatible server, or a provider of LangChain's.")


class Structured(StrEnum):
    """How a prompt's output schema reaches the model."""

    NATIVE = "native"
    PROMPT = "prompt"
    OFF = "off"


@commands.command()
def add(
    name: str,
    base_url: Annotated[str | None, typer.Option(help="Such as https://host/v1.")] = None,
    model: Annotated[str | None, typer.Option(help="The model's id at that address.")] = None,
    provider: Annotated[
        str | None, typer.Option(metavar="PROVIDER:MODEL", help="Through LangChain instead.")
    ] = None,
    api_key_env: Annotated[
        str | None, typer.Option(metavar="VAR", help="Variable that holds the key.")
    ] = None,
    input_price: Annotated[
        str | None, typer.Option(metavar="USD", help="Per million tokens.")
    ] = None,
    output_price: Annotated[
        str | None, typer.Option(metavar="USD", help="Per million tokens.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=1024, help="Calls at once.")] = 8,
    rpm: Annotated[int | None, typer.Option(min=1, help="Requests a minute.")] = None,
    tpm: Annotated[int | None, typer.Option(min=1, help="Tokens a minute.")] = None,
    timeout: Annotated[float, typer.Option(min=0.001, max=3600, help="Seconds a call.")] = 120,
    param: Annotated[
        list[str], typer.Option(metavar="KEY=VALUE", help="Sent with every call; repeat.")
    ] = [],  # noqa: B006
    structured: Annotated[
        Structured, typer.Option(help="How an output schema is asked for.")
    ] = Structured.NATIVE,
    json: Json = False,
) -> None:
    """Add a model, or replace the settings of a known one."""
    common = {
        "api_key_env": api_key_env, "concurrency": concurrency, "rpm": rpm, "tpm": tpm,
        "timeout": timeout, "params": json_pairs(param, "--param"),
        "structured": structured.value, "input_price": input_price, "output_price": output_price,
    }  # fmt: skip
    where = _where(base_url, model, provider)
    settings = _checked({**common, **where})
    saved = _save(name, settings)
    if json:
        from connectors.service import model_json

        print_json(model_json(saved))
    else:
        say(f"Saved {name}. `promptstone model test {name}` asks it for a word.")


def _where(base_url: str | None, model: str | None, provider: str | None) -> dict[str, str | None]:
    if provider is not None:
        if base_url or model:
            raise typer.BadParameter("it replaces --base-url and --model.", param_hint="--provider")
        name, colon, model_id = provider.partition(":")
        if not (name and colon and model_id):
            raise typer.BadParameter("write PROVIDER:MODEL.", param_hint="--provider")
        return {"kind": "langchain", "provider": name, "model": model_id}
    if not (base_url and model):
        raise typer.BadParameter("give both, or --provider.", param_hint="--base-url, --model")
    return {"kind": "openai", "base_url": base_url, "model": model}


def _checked(fields: dict[str, object]) -> "ModelSettings":
    from pydantic import ValidationError

    from connectors.models import ModelSettings

    try:
        return ModelSettings.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + str(first["loc"][0]).replace("_", "-")
        raise typer.BadParameter(f"{first['msg']}.", param_hint=option) from error


def _save(name: str, settings: "ModelSettings") -> "ModelPublic":
    from connectors.resolver import leads_to_local
    from connectors.service import add_model

    # Who may write the data folder may decide what this machine reaches.
    local = settings.base_url is not None and leads_to_local(settings.base_url)
    with state.writing() as session:
        return add_model(session, name, settings, allow_local=local)


@commands.command("list")
def list_all(json: Json = False) -> None:
    """All models by name."""
    from connectors.service import list_models, model_json

    with state.reading() as session:
        found = list_models(session)
    if json:
        print_json({"models": [model_json(model) for model in found]})
        return
    print_table(
        ("model", "kind", "id", "address", "$/M in", "$/M out", "at once", "last test"),
        (
            (
                m.name, m.settings.kind, m.settings.model, m.settings.base_url,
                *(_prices(m)), m.settings.concurrency, _tested(m.last_test),
            )
            for m in found
        ),
    )  # fmt: skip


def _prices(model: "ModelPublic") -> tuple[str, str]:
    if model.price is None:
        return "unpriced", "unpriced"
    return f"{model.price.input_per_million:f}", f"{model.price.output_per_million:f}"


def _tested(result: "TestResult | None") -> str:
    return "–" if result is None else "works" if result.ok else f"fails: {result.kind}"


@commands.command("test")
def ask(name: str, json: Json = False) -> None:
    """Ask a model for one word, and say what is wrong if it does not come."""
    import asyncio

    result = asyncio.run(_test(name))
    if json:
        print_json({"name": name, **result.model_dump(mode="json")})
    else:
        say(result.message)
    raise typer.Exit(0 if result.ok else 1)


async def _test(name: str) -> "TestResult":
    from connectors.connections import Connections
    from connectors.service import get_model, record_test, target_of
    from connectors.testing import test_model

    settings = state.settings()
    with state.reading() as session:
        model = get_model(session, name)
        target = target_of(session, name, settings.key_path)
    async with Connections(settings.data) as connections:
        result = await test_model(connections, target, model.settings)
    with state.writing() as session:
        record_test(session, name, result)
    return result


@commands.command()
def remove(name: str) -> None:
    """Forget a model and its stored key; runs keep what they started with."""
    from connectors.service import remove_model

    with state.writing() as session:
        remove_model(session, name)
    say(f"Removed {name}.")
