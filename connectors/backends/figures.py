"""What a server tells of itself in Prometheus' text format, as the few figures that count. Pure."""

import re
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

_LINE = re.compile(
    r"([A-Za-z_:][\w:]*)(?:\{[^}]*\})?\s+(-?[\d.]+(?:[eE][-+]?\d+)?)(?:\s+-?\d+)?\s*"
)
_RUNNING = ("vllm:num_requests_running", "llamacpp:requests_processing", "peft:requests_running")
_WAITING = ("vllm:num_requests_waiting", "llamacpp:requests_deferred", "peft:requests_waiting")
_MADE = (
    "vllm:generation_tokens_total", "llamacpp:tokens_predicted_total",
    "peft:generation_tokens_total",
)  # fmt: skip
_READ = (
    "vllm:prompt_tokens_total", "llamacpp:prompt_tokens_total", "peft:prompt_tokens_total",
)  # fmt: skip
_ASKED = ("vllm:prefix_cache_queries_total", "vllm:prefix_cache_queries")
_FOUND = ("vllm:prefix_cache_hits_total", "vllm:prefix_cache_hits")
_FULL = ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc", "llamacpp:kv_cache_usage_ratio")


class Sample(BaseModel):
    """One reading; `at` is a monotonic moment in seconds, None is what the server does not tell."""

    model_config = ConfigDict(frozen=True)

    at: float
    running: int = 0
    waiting: int = 0
    made: float = 0
    read: float = 0
    asked: float | None = None
    found: float | None = None
    full: float | None = None

    @property
    def busy(self) -> bool:
        """Whether somebody is being answered, or waits for it."""
        return self.running + self.waiting > 0


class Figures(BaseModel):
    """What pages show: tokens per second since the reading before, shares from 0 to 1, bytes.

    `position` is the turn of one that waits for memory, from 1.
    """

    model_config = ConfigDict(frozen=True)

    running: int = 0
    waiting: int = 0
    tokens_per_second: float | None = None
    prompt_tokens_per_second: float | None = None
    prefix_hit_share: float | None = None
    kv_cache_used: float | None = None
    memory: int | None = None
    reserved: int | None = None
    place: str | None = None
    position: int | None = None


def read_sample(text: str, at: float) -> Sample:
    """The figures in a server's `/metrics`, summed over its labels."""
    sums: dict[str, float] = {}
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        if found is not None:
            sums[found[1]] = sums.get(found[1], 0.0) + float(found[2])
    return Sample(
        at=at,
        running=int(_first(sums, _RUNNING) or 0),
        waiting=int(_first(sums, _WAITING) or 0),
        made=_first(sums, _MADE) or 0,
        read=_first(sums, _READ) or 0,
        asked=_first(sums, _ASKED),
        found=_first(sums, _FOUND),
        full=_first(sums, _FULL),
    )


def figures(now: Sample, before: Sample | None) -> Figures:
    """What two readings tell together; a server that began anew counts from 0 again."""
    hits = now.found / now.asked if now.asked and now.found is not None else None
    common = {"running": now.running, "waiting": now.waiting, "kv_cache_used": now.full}
    if before is None or now.made < before.made or now.at <= before.at:
        return Figures(prefix_hit_share=hits, **common)
    seconds = now.at - before.at
    return Figures(
        tokens_per_second=(now.made - before.made) / seconds,
        prompt_tokens_per_second=(now.read - before.read) / seconds,
        prefix_hit_share=hits,
        **common,
    )


def worked(now: Sample, before: Sample | None) -> bool:
    """Whether somebody was answered since the reading before, or is."""
    return now.busy or before is None or (now.made, now.read) != (before.made, before.read)


def _first(sums: Mapping[str, float], names: tuple[str, ...]) -> float | None:
    return next((sums[name] for name in names if name in sums), None)
