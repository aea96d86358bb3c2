"""What an address proposes for a plan: arms and columns as lists of texts."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from sqlmodel import Session

from evalsets.models import Run
from evalsets.runs.listed import text_of
from evalsets.runs.manifest import Arm, Manifest


def listed(texts: Iterable[str]) -> str:
    """Texts for the address, each once."""
    return json.dumps(list(dict.fromkeys(texts)), ensure_ascii=False)


def proposed(text: str | None) -> list[str]:
    """The texts that an address proposes; nothing where it says something else."""
    try:
        said = json.loads(text or "[]")
    except (ValueError, RecursionError):
        return []
    entries = cast(list[object], said) if isinstance(said, list) else []
    return list(dict.fromkeys(one for one in entries if isinstance(one, str) and one.strip()))


def mapping_text(mapping: Mapping[str, str]) -> str | None:
    """Which variable takes which column, for the address; None where each takes its own name."""
    return _some(_entries(mapping))


def proposed_mapping(text: str | None) -> list[str]:
    """The bindings that an address proposes."""
    return [one for one in proposed(text) if "=" in one]


def of_run(session: Session, run: Run) -> dict[str, str | None]:
    """The plan that asks the arms of a run again, over the cases of now."""
    manifest = Manifest.model_validate(run.manifest)
    texts = (text_of(session, arm) for arm in manifest.arms)
    return {
        "arms": listed(text for text in texts if text is not None),
        "dataset": run.dataset,
        "split": manifest.split,
        "limit": None if manifest.limit is None else str(manifest.limit),
        "repeats": str(run.repeats) if run.repeats > 1 else None,
        "mapping": _mapping(manifest.arms),
        "like": run.id,
    }


def _mapping(arms: Sequence[Arm]) -> str | None:
    """By prompt, where there are several."""
    mappings = {arm.prompt.name: arm.mapping for arm in arms if arm.prompt is not None}
    if len(mappings) == 1:
        return mapping_text(next(iter(mappings.values())))
    return _some(
        [f"{name}:{one}" for name, mapping in mappings.items() for one in _entries(mapping)]
    )


def _entries(mapping: Mapping[str, str]) -> list[str]:
    return [f"{name}={column}" for name, column in mapping.items() if name != column]


def _some(entries: Sequence[str]) -> str | None:
    return listed(entries) if entries else None
