"""Backends, places and estimates as text."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.cli.show import percent, print_json, print_pairs, print_table

if TYPE_CHECKING:
    from connectors.backends.gpus import Place
    from connectors.backends.launch import Plan
    from connectors.backends.public import BackendPublic

_GIB = 1 << 30


def gib(value: int | None) -> str | None:
    """Bytes as 1.5 GiB."""
    return None if value is None else f"{value / _GIB:.1f} GiB"


def print_backends(found: "Sequence[BackendPublic]") -> None:
    """One line each."""
    print_table(
        ("backend", "kind", "source", "state", "memory", "tok/s", "calls", "queue", "adapters",
         "reason"),
        (
            (
                one.name, _kind(one), one.settings.source, _state(one),
                gib(one.figures.memory or one.figures.reserved), one.figures.tokens_per_second,
                one.figures.running, one.figures.waiting, len(one.adapters), one.reason,
            )
            for one in found
        ),
    )  # fmt: skip


def print_backend(one: "BackendPublic") -> None:
    """All that is known of one."""
    settings, figures = one.settings, one.figures
    print_pairs(
        (
            ("backend", one.name),
            ("kind", _kind(one)),
            ("source", settings.source),
            ("adapter", settings.adapter),
            ("state", _state(one)),
            ("reason", one.reason),
            ("address", one.base_url),
            ("memory", gib(figures.memory)),
            ("reserved", gib(figures.reserved)),
            ("on", figures.place),
            ("tokens/s", figures.tokens_per_second),
            ("prompt tokens/s", figures.prompt_tokens_per_second),
            ("calls", figures.running),
            ("queue", figures.waiting),
            ("prefix cache hits", percent(figures.prefix_hit_share)),
            ("KV cache used", percent(figures.kv_cache_used)),
            ("adapters", one.adapters),
            ("restarts", one.restarts),
            ("idle minutes", settings.idle_minutes or None),
        )
    )


def print_estimate(planned: "Plan") -> None:
    """The parts that are not 0, and the sum."""
    print_pairs((name.replace("_", " "), gib(value)) for name, value in planned.named().items())
    if planned.parts.unknown:
        print(f"not known: {', '.join(planned.parts.unknown)}")


def print_places(
    places: "Sequence[Place]", found: "Sequence[BackendPublic]", *, as_json: bool
) -> None:
    """Memory, and what of ours is there."""
    ours = {
        place.id: [one.name for one in found if one.figures.place == place.id] for place in places
    }
    if as_json:
        print_json({"places": [{**p._asdict(), "backends": ours[p.id]} for p in places]})
        return
    print_table(
        ("place", "memory", "free", "backends"),
        ((place.name, gib(place.total), gib(place.free), ours[place.id]) for place in places),
    )


def _kind(one: "BackendPublic") -> str:
    return "peft (slower)" if one.settings.kind == "peft" else one.settings.kind


def _state(one: "BackendPublic") -> str:
    known = one.progress is not None and one.state == "loading"
    return f"{one.state} {percent(one.progress)}" if known else one.state
