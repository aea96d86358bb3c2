"""`promptstone backend`: servers of our own that hold a model."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import state
from app.cli.backend_text import print_backend, print_backends, print_estimate
from app.cli.group import new_group
from app.cli.parse import json_pairs
from app.cli.show import Json, print_json, say, visible

if TYPE_CHECKING:
    from connectors.backends.models import BackendSettings
    from connectors.backends.public import BackendPublic

commands = new_group("Backends: servers of our own that hold a model, started and watched here.")


class Kind(StrEnum):
    """What serves the model."""

    LLAMACPP = "llamacpp"
    VLLM = "vllm"


class Server(StrEnum):
    """What can be installed."""

    VLLM = "vllm"


@commands.command()
def add(
    name: str,
    kind: Annotated[Kind, typer.Option(help="llamacpp for a GGUF file, vllm for a folder.")],
    source: Annotated[
        str, typer.Option(help="A GGUF file, a Hugging Face folder or name; with --base-url an id.")
    ],
    base_url: Annotated[
        str | None, typer.Option(help="Of a server that runs already, such as http://host/v1.")
    ] = None,
    api_key_env: Annotated[
        str | None, typer.Option(metavar="VAR", help="Variable that holds the key of --base-url.")
    ] = None,
    gpu_memory: Annotated[
        float | None, typer.Option(metavar="GB", help="GiB that it may take [estimated].")
    ] = None,
    gpu: Annotated[
        str | None, typer.Option(metavar="KIND", help="Part of the name of a kind of GPU.")
    ] = None,
    lora: Annotated[bool, typer.Option("--lora", help="Serve LoRA adapters too.")] = False,
    max_adapters: Annotated[int, typer.Option(help="Adapters at once.")] = 8,
    max_rank: Annotated[int, typer.Option(help="The highest rank of an adapter.")] = 64,
    context: Annotated[
        int | None, typer.Option(metavar="TOKENS", help="Of a conversation [the model's, 8192].")
    ] = None,
    concurrency: Annotated[int, typer.Option(help="Calls at once.")] = 32,
    idle_minutes: Annotated[float, typer.Option(help="Stop it after so long; 0 never does.")] = 0,
    param: Annotated[
        list[str], typer.Option(metavar="KEY=VALUE", help="Sent with every call; repeat.")
    ] = [],  # noqa: B006
    start: Annotated[bool, typer.Option("--start", help="Start it now.")] = False,
    json: Json = False,
) -> None:
    """Add a backend and a model of its name, or replace the settings of a known one."""
    settings = _checked({
        "kind": kind.value, "source": source, "base_url": base_url, "api_key_env": api_key_env,
        "gpu_memory": gpu_memory, "gpu": gpu, "lora": lora, "max_adapters": max_adapters,
        "max_rank": max_rank, "context": context, "concurrency": concurrency,
        "idle_minutes": idle_minutes, "params": json_pairs(param, "--param"),
    })  # fmt: skip
    planned = _planned(settings)
    saved = _save(name, settings, start)
    if json:
        _print(saved)
        return
    if planned is not None:
        print_estimate(planned)
    then = "" if start else f" `promptstone backend start {name}` starts it, and so does a call."
    say(f"Saved {name}.{then}")


def _checked(fields: dict[str, object]) -> "BackendSettings":
    from pydantic import ValidationError

    from connectors.backends.models import BackendSettings

    try:
        return BackendSettings.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + str(first["loc"][0]).replace("_", "-")
        raise typer.BadParameter(f"{first['msg']}.", param_hint=option) from error


def _planned(settings: "BackendSettings") -> Any:
    """The files checked and the memory estimated; nothing of a server that runs elsewhere."""
    from connectors.backends.gpus import places
    from connectors.backends.prepare import estimate_of
    from prompts.chat_template import check_chat_template

    if settings.base_url is not None:
        return None
    return estimate_of(settings, places(), check=check_chat_template)


def _save(name: str, settings: "BackendSettings", start: bool) -> "BackendPublic":
    from connectors.backends.service import add_backend, start_backend
    from connectors.resolver import leads_to_local
    from core.jobs import place

    # Who may write the data folder may decide what this machine reaches.
    local = settings.base_url is not None and leads_to_local(settings.base_url)
    with state.writing() as session:
        here = place(state.settings().data)
        saved = add_backend(session, name, settings, owner=here, allow_local=local)
        return start_backend(session, name) if start else saved


@commands.command("list")
def list_all(json: Json = False) -> None:
    """All backends by name, with what they do."""
    from connectors.backends.public import backend_json
    from connectors.backends.service import list_backends

    with state.reading() as session:
        found = list_backends(session)
    if json:
        print_json({"backends": [backend_json(one) for one in found]})
    else:
        print_backends(found)


@commands.command()
def show(name: str, json: Json = False) -> None:
    """One backend: state, memory, figures, adapters."""
    from connectors.backends.service import get_backend

    with state.reading() as session:
        found = get_backend(session, name)
    if json:
        _print(found)
    else:
        print_backend(found)


@commands.command()
def start(
    name: str,
    wait: Annotated[bool, typer.Option("--wait", help="Until it is ready, or has failed.")] = False,
    json: Json = False,
) -> None:
    """Ask for a backend to run; the worker starts it when there is room."""
    from connectors.backends.service import start_backend
    from evalsets.runs.worker_note import worker_alive

    with state.writing() as session:
        found = start_backend(session, name)
    if not worker_alive(state.database()):
        say("No worker is there to start it. `promptstone up` brings one.")
    elif wait:
        found = _awaited(name)
    if json:
        _print(found)
    else:
        say(f"{name} is {found.state}. {found.reason or ''}".strip())
    raise typer.Exit(1 if found.state == "failed" else 0)


def _awaited(name: str) -> "BackendPublic":
    import time

    from connectors.backends.service import get_backend

    while True:
        with state.reading() as session:
            found = get_backend(session, name)
        if found.state in ("ready", "failed") or found.wanted == "stopped":
            return found
        time.sleep(0.3)


@commands.command()
def stop(name: str, json: Json = False) -> None:
    """Ask for a backend to end; the next call of its model starts it again."""
    from connectors.backends.service import stop_backend

    with state.writing() as session:
        found = stop_backend(session, name)
    if json:
        _print(found)
    else:
        say(f"{name} is told to stop.")


@commands.command()
def logs(
    name: str,
    lines: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 50,
    json: Json = False,
) -> None:
    """The end of what its server printed."""
    from connectors.backends import logs as reading
    from connectors.backends.notes import log_of
    from connectors.backends.service import get_backend

    with state.reading() as session:
        get_backend(session, name)
    said = reading.tail(log_of(state.settings().data, name)).splitlines()[-lines:]
    if json:
        print_json({"name": name, "lines": said})
        return
    for line in said:
        print(visible(line))


@commands.command()
def remove(name: str, json: Json = False) -> None:
    """Forget a backend with its models; what runs is ended, its files stay."""
    from connectors.backends.service import remove_backend

    with state.writing() as session:
        remove_backend(session, name)
    if json:
        print_json({"removed": name})
    else:
        say(f"Removed {name}.")


@commands.command()
def estimate(name: str, json: Json = False) -> None:
    """The memory that a start takes, part by part, beside what this machine has."""
    from connectors.backends.service import get_backend

    with state.reading() as session:
        settings = get_backend(session, name).settings
    planned = _planned(settings)
    if json:
        print_json(None if planned is None else planned.as_json())
    elif planned is None:
        say(f"{name} is run elsewhere; its memory is not ours.")
    else:
        print_estimate(planned)


@commands.command()
def gpus(json: Json = False) -> None:
    """Where models can lie: GPUs, and this machine's memory."""
    from app.cli.backend_text import print_places
    from connectors.backends.gpus import places
    from connectors.backends.service import list_backends

    with state.reading() as session:
        found = list_backends(session)
    print_places(places(), found, as_json=json)


@commands.command()
def install(server: Server, json: Json = False) -> None:
    """Install vLLM into an environment of its own: for GPUs where there are some, else for CPU."""
    from connectors.backends import environment

    found = environment.install(state.settings().data, say)
    if json:
        print_json({"server": server.value, **found._asdict(), "python": str(found.python)})


def _print(backend: "BackendPublic") -> None:
    from connectors.backends.public import backend_json

    print_json(backend_json(backend))
