"""A base with its adapter in its weights: lora, dora and ia3 are sums and products of them."""

import fcntl
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from pydantic import ValidationError
from transformers.utils import logging

from core.errors import Invalid
from tuning import merged
from tuning.checkpoints import Sealed, seal, verify
from tuning.merged import Merged
from tuning.spec import JobSpec
from tuning.trainer import bases, gguf
from tuning.trainer.refusal import Refused

_PART = "merging"
_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def merge(job: Path, say: Callable[[str], None]) -> Path:
    """`JOB/merged` of the job's base and `adapter/`, unless it is there. Raises Refused."""
    logging.disable_progress_bar()
    spec = _spec(job)
    why = merged.refusal(spec.method, spec.adapter)
    if why is not None or spec.adapter.kind == "full":
        raise Refused(why or "All weights were trained: they stand in adapter already.")
    with (job / f"{_PART}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sealed = _adapter(job)
        found = merged.find(job, sealed.hash)
        if found is not None:
            say("It is merged already.")
            return found
        part = job / _PART
        shutil.rmtree(part, ignore_errors=True)
        try:
            _write(job, spec, part, say)
            note = Merged(adapter=sealed.hash, base=spec.base, kind=spec.adapter.kind)
            (part / merged.NOTE).write_text(note.model_dump_json(indent=1))
            seal(part, sealed.step)
            shutil.rmtree(job / merged.FOLDER, ignore_errors=True)
            return part.rename(job / merged.FOLDER)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def put_in(model: Any) -> Any:
    """A PEFT model as one without PEFT; each weight is added to in 32 bits and rounded once."""
    for layer in model.modules():
        if isinstance(layer, BaseTunerLayer):
            inner: Any = layer.get_base_layer()
            dtype = inner.weight.dtype
            inner.to(torch.float32)
            layer.merge(safe_merge=True)
            inner.to(dtype)
    return model.unload()


def _write(job: Path, spec: JobSpec, part: Path, say: Callable[[str], None]) -> None:
    say("Loading the base…")
    if getattr(spec.adapter, "bits", 16) == 4:
        say("It was trained on a base in 4 bits, and is merged into the base in 16 bits.")
    cache = job.parent / "bases"
    folder = gguf.folder_of(Path(spec.base), cache)
    bases.check(folder)
    where = bases.Device("cpu", "cpu", _dtype(folder), None, None)
    kind = bases.Kind(reward=False, full=False, bits=16, flat=False)
    base = bases.load(folder, cache, where, kind)
    say(f"Merging {spec.adapter.kind}…")
    model = put_in(PeftModel.from_pretrained(base.model, str(job / "adapter")))
    say("Writing…")
    model.save_pretrained(part)
    base.tokenizer.save_pretrained(part)


def _dtype(folder: Path) -> torch.dtype:
    """What the base's weights are in, as its configuration says."""
    config = json.loads((folder / "config.json").read_bytes())
    inner = config.get("text_config") or {}
    named = [part.get(key) for part in (config, inner) for key in ("dtype", "torch_dtype")]
    return next((_DTYPES[name] for name in named if name in _DTYPES), torch.float32)


def _adapter(job: Path) -> Sealed:
    try:
        return verify(job / "adapter")
    except Invalid as error:
        raise Refused(f"The adapter is not whole ({error.message}) Tune it again.") from error


def _spec(job: Path) -> JobSpec:
    try:
        return JobSpec.model_validate_json((job / "spec.json").read_bytes())
    except (OSError, ValidationError):
        raise Refused("The job's spec.json cannot be read. Tune it again.") from None
