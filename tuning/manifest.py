"""What a tuning job is, frozen when it is started: base, rows, method, and where they came from."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tuning.methods import Adapter, Knobs, Method

Status = Literal["queued", "running", "completed", "failed", "interrupted", "cancelled", "stopped"]
"""`interrupted`: its process died, `stopped`: by a person; both go on with `resume`."""

LIVE: tuple[Status, ...] = ("queued", "running")
RESUMABLE: tuple[Status, ...] = ("interrupted", "stopped", "failed")


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BaseRef(_Value):
    """The model that is trained; `hash` is sha256 over the names and hashes of its files.

    `content` is the sha256 of a GGUF file, None of a folder.
    """

    name: str
    path: str
    hash: str
    content: str | None = None


class RowsRef(_Value):
    """Rows of a data set's version as the trainer reads them; `hash` is the file's sha256."""

    dataset: str
    version: int
    dataset_hash: str
    rows: int
    hash: str


class Manifest(_Value):
    """All that decides what comes out; `knobs` are those that were derived or given.

    `memory` is what it asks for in bytes, on each of `gpus` GPUs of a kind whose name has `gpu`, or
    of the machine where there are none.
    """

    base: BaseRef
    data: RowsRef
    evaluation: RowsRef | None
    method: Method
    adapter: Adapter
    knobs: Knobs
    params: dict[str, Any]
    memory: int = 0
    gpu: str | None = None
    gpus: int = 1
    samples: tuple[list[dict[str, str]], ...]
    code: str
