"""A GGUF file as a folder of safetensors: turned once, sealed, and kept for all jobs."""

import fcntl
import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from core.errors import Invalid
from tuning.checkpoints import seal, verify
from tuning.trainer.refusal import Refused


def folder_of(place: Path, cache: Path) -> Path:
    """The folder itself, or the one that a GGUF file was turned into. Raises Refused."""
    if place.is_dir():
        return place
    if not place.is_file():
        raise Refused(f"There is no base {place.name}. Start the job with one that is there.")
    with place.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise Refused(f"{place.name} is neither a folder nor a GGUF file. Choose another base.")
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return _turned(place, cache / digest[:32])


def _turned(place: Path, folder: Path) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            verify(folder)
        except Invalid:
            shutil.rmtree(folder, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
                part = Path(temporary) / "model"
                _dequantize(place, part)
                seal(part)
                part.replace(folder)
    return folder


def _dequantize(place: Path, folder: Path) -> None:
    options: dict[str, Any] = {"gguf_file": place.name, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(place.parent, **options)
        model = AutoModelForCausalLM.from_pretrained(
            place.parent,
            dtype=torch.bfloat16,
            quantization_config=GgufConfig(dequantize=True),
            **options,
        )
    except (ValueError, KeyError, NotImplementedError) as error:
        said = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        raise Refused(
            f"{place.name} cannot be trained from ({said}). Choose a folder of safetensors."
        ) from error
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
