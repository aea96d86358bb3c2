"""How a trained model comes to a server: beside its base, merged, or by the PEFT worker. Pure."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from connectors.backends.public import BackendPublic
from core.errors import Conflict, NotFound
from tuning.manifest import Manifest
from tuning.methods import Dora, Full, Ia3, Lora, Reward

Kind = Literal["adapter", "merged", "weights", "peft"]
"""`adapter`: vLLM loads it beside the base. `merged`: into full weights, for a vLLM of their own.
`weights`: all of them were trained. `peft`: a slower server of our own."""


class Route(NamedTuple):
    """A way, and the backend: one that is there (`adapter`), else one of the model's name."""

    kind: Kind
    backend: str


def choose(
    name: str,
    manifest: Manifest,
    backends: Sequence[BackendPublic],
    given: str | None,
    *,
    is_base: Callable[[BackendPublic], bool],
    vllm: bool,
) -> Route:
    """The quickest way that is exact. Raises Conflict or NotFound with the remedy.

    `is_base` tells whether a backend serves the job's base, `vllm` whether vLLM is installed.
    """
    if isinstance(manifest.method, Reward):
        raise Conflict(
            f"{name} is a reward model: it scores answers and gives none. Publish another job."
        )
    if given is not None:
        return Route("adapter", _given(name, manifest, backends, given, is_base))
    fitting = [one for one in backends if unfit(manifest, one, is_base) is None]
    if fitting:
        return Route("adapter", min(fitting, key=lambda one: (one.state != "ready", one.name)).name)
    if vllm and isinstance(manifest.adapter, Full):
        return Route("weights", name)
    if vllm and isinstance(manifest.adapter, Lora | Dora | Ia3):
        return Route("merged", name)
    return Route("peft", name)


def unfit(
    manifest: Manifest, backend: BackendPublic, is_base: Callable[[BackendPublic], bool]
) -> str | None:
    """Why a backend cannot load the adapter; None when it can."""
    settings = backend.settings
    if not isinstance(manifest.adapter, Lora):
        return f"vLLM loads no adapters of the kind {manifest.adapter.kind}"
    if settings.kind != "vllm" or not settings.lora or backend.elsewhere:
        return "it is no vLLM of ours with --lora"
    if manifest.adapter.rank > settings.max_rank:
        return f"it takes ranks up to {settings.max_rank}, this one has {manifest.adapter.rank}"
    return None if is_base(backend) else f"its model is not {manifest.base.name}"


def _given(
    name: str,
    manifest: Manifest,
    backends: Sequence[BackendPublic],
    given: str,
    is_base: Callable[[BackendPublic], bool],
) -> str:
    found = next((one for one in backends if one.name == given), None)
    if found is None:
        raise NotFound(f"There is no backend {given!r}. `promptstone backend list` shows them.")
    why = unfit(manifest, found, is_base)
    if why is not None:
        raise Conflict(
            f"The backend {given} cannot load {name}: {why}. Leave --backend out, or name another.",
            param="backend",
        )
    return given
