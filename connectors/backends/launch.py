"""What every start of a backend has in common: its memory, its guard, its environment."""

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from connectors.backends import estimate, guard
from connectors.backends.estimate import GIB, MIB, Config, Parts
from connectors.backends.gpus import CPU, Place
from connectors.backends.models import BackendSettings
from connectors.backends.queue import HEADROOM

MARK = "PROMPTSTONE_BACKEND"
_PASSED = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_HOME", "HF_HOME", "TZ")
_QUIET = {
    "DO_NOT_TRACK": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUNBUFFERED": "1",
}
_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
_OVERHEAD = {
    ("llamacpp", "cpu"): 256 * MIB,
    ("vllm", "cpu"): 2 * GIB,
    ("vllm", "gpu"): 3 * GIB // 2,
    ("peft", "cpu"): GIB,
    ("peft", "gpu"): 3 * GIB // 2,
}
"""Beside weights and cache: buffers of llama.cpp, processes of vLLM, torch, its CUDA context."""
_CPU_CACHE = 4 * GIB
"""vLLM on a CPU takes its cache at once; more would seldom be used there."""


class Plan(NamedTuple):
    """What a backend needs before it is started; `one` is the cache of one whole conversation."""

    parts: Parts
    one: int
    context: int
    on_gpu: bool

    @property
    def need(self) -> int:
        """Bytes that it asks for."""
        return self.parts.total

    def named(self) -> dict[str, int]:
        """The parts that are not 0, in bytes, and their sum as `total`."""
        parts = {k: v for k, v in self.parts._asdict().items() if isinstance(v, int) and v}
        return {**parts, "total": self.need}

    def as_json(self) -> dict[str, object]:
        """A plan of `backend estimate --json`."""
        unknown = list(self.parts.unknown)
        return {**self.named(), "context": self.context, "gpu": self.on_gpu, "unknown": unknown}


class Start(NamedTuple):
    """A server about to be started; its key stands in the environment, never in `command`."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    port: int
    key: str


def plan(
    settings: BackendSettings,
    config: Config,
    weight_bytes: int | None,
    device: str,
    places: list[Place],
) -> Plan:
    """The memory that a start takes: as asked for, else as estimated and cut to what is here.

    `device` is gpu or cpu; a cache is cut down to one conversation before anything is refused.
    """
    shape = estimate.shape_of(config)
    on_gpu = settings.kind != "llamacpp" and device == "gpu"
    context = estimate.context_of(shape, settings.context)
    # A PEFT worker on a CPU computes in 32 bits.
    one = shape.kv * context * (4 if settings.kind == "peft" and not on_gpu else 2)
    parts = _parts(settings, config, weight_bytes, on_gpu)
    if settings.kind == "peft":
        parts = parts._replace(kv_cache=one)
    if settings.kind == "vllm" and not on_gpu:
        parts = parts._replace(kv_cache=min(parts.kv_cache, max(one, _CPU_CACHE)))
    if settings.gpu_memory is not None:
        given = int(settings.gpu_memory * GIB)
        rest = parts.total - parts.kv_cache
        parts = parts._replace(kv_cache=max(given - rest, min(one, parts.kv_cache)))
    else:
        most = max((p.total for p in places if (p.id != CPU) == on_gpu), default=0)
        parts = estimate.within(parts, int(most * HEADROOM * 0.97), one)
    return Plan(parts, one, context, on_gpu)


def _parts(
    settings: BackendSettings, config: Config, weight_bytes: int | None, on_gpu: bool
) -> Parts:
    shape = estimate.shape_of(config)
    if settings.kind == "peft":
        # Of a GGUF file the bytes say nothing of the numbers that it is turned into.
        numbers = max(estimate.parameters(shape), (weight_bytes or 0) // shape.bytes)
        weight_bytes = numbers * (2 if on_gpu else 4)
    return estimate.serving(
        config,
        weight_bytes=weight_bytes,
        context=estimate.context_of(shape, settings.context),
        concurrency=settings.concurrency if settings.kind == "vllm" else 1,
        adapters=settings.max_adapters if settings.lora else 0,
        rank=rank_of(settings.max_rank) if settings.lora else 0,
        overhead=_OVERHEAD[settings.kind, "gpu" if on_gpu else "cpu"],
    )


def mark_of(data: Path, name: str) -> str:
    """What stands in the environment of all processes of a backend."""
    return f"{data.resolve()}:{name}"


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def guarded(folder: Path, command: tuple[str, ...]) -> tuple[str, ...]:
    """The command under a guard, which ends with this process and keeps its log."""
    log = str(folder / "server.log")
    return (sys.executable, "-I", "-S", guard.__file__, log, *command)


def environment() -> dict[str, str]:
    """Of ours, only what a server needs: no provider's key, no address of a database."""
    return {**{name: os.environ[name] for name in _PASSED if name in os.environ}, **_QUIET}


def rank_of(rank: int) -> int:
    """The next rank that vLLM knows."""
    return next(known for known in _RANKS if known >= rank)
