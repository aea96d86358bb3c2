"""What a release froze, in rows of a table."""

from app.workspace.components import numbers, search_fields, table
from app.workspace.strings import raw
from serving.guards import Guard, SchemaGuard
from serving.manifest import FrozenDoor, ReleaseManifest


def draw(release: ReleaseManifest) -> None:
    """A row a setting, with its value as people read it."""
    table.still(
        facts(release), {c: raw(f"columns.{c}") for c in ("setting", "value")},
        alt=raw("apps.frozen"), widths={"setting": 160},
    )  # fmt: skip


def facts(release: ReleaseManifest) -> list[dict[str, str]]:
    """Setting and value."""
    first, *others = release.models
    rows = {
        "kind": raw(f"apps.kind_{release.kind}"),
        "prompt": f"{release.prompt.name}@{release.prompt.version}",
        "model": door(first),
        "fallbacks": ", ".join(map(door, others)) or numbers.MISSING,
        "base": _base(release),
        "guards": "; ".join(map(guard, release.guards)) or numbers.MISSING,
        "pinned": numbers.count(len(release.pinned)) if release.pinned else numbers.MISSING,
        "history": raw(f"apps.history_{release.history}"),
        "repair": raw("prompts.yes" if release.repair else "prompts.no"),
    }
    return [{"setting": raw(f"apps.fact_{name}"), "value": value} for name, value in rows.items()]


def door(found: FrozenDoor) -> str:
    """A model with its id and what is sent to it."""
    settings = found.model.settings
    params = "".join(f" · {key}={value}" for key, value in found.params.items())
    return f"{found.model.name} ({settings.model}){params}"


def _base(release: ReleaseManifest) -> str:
    read = release.retrieval
    if read is None:
        return numbers.MISSING
    return f"{read.kb}@{read.snapshot} · {search_fields.spelled(read.settings)}"


def guard(found: Guard) -> str:
    """A guard in one line: what, where, what it does."""
    parts = [raw(f"apps.where_{found.where}"), raw(f"apps.action_{found.action}")]
    if not isinstance(found, SchemaGuard):
        most, words = getattr(found, "most", None), getattr(found, "words", ())
        parts += [raw("apps.most_n", n=numbers.count(most))] if most is not None else []
        parts += [", ".join(words)] if words else []
    return f"{raw(f'apps.guard_{found.kind}')}: {' · '.join(parts)}"
