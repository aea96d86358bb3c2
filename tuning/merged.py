"""Full weights that a base and an adapter became: sealed, with a note of what they are. Pure."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from core.errors import Invalid
from tuning.checkpoints import verify
from tuning.methods import Adapter, Dora, Full, Ia3, Lora, Method, Reward

FOLDER = "merged"
NOTE = "merged.json"


class Merged(BaseModel):
    """`merged.json`; `adapter` is the hash of the sealed adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    adapter: str
    base: str
    kind: str


def refusal(method: Method, adapter: Adapter) -> str | None:
    """Why this cannot be merged, as a sentence with its remedy; None when it can, exactly."""
    if isinstance(method, Reward):
        return "A reward model gives numbers and no answers, so it is not merged. Tune a model."
    if not isinstance(adapter, Lora | Dora | Ia3 | Full):
        return (
            f"An adapter of the kind {adapter.kind} is virtual tokens, which no weights can stand "
            "for. Publish it to a PEFT backend instead."
        )
    return None


def find(job: Path, adapter_hash: str) -> Path | None:
    """`JOB/merged`, if it is whole and made of this adapter."""
    folder = job / FOLDER
    try:
        verify(folder)
        note = Merged.model_validate_json((folder / NOTE).read_bytes())
    except (Invalid, OSError, ValidationError):
        return None
    return folder if note.adapter == adapter_hash else None
