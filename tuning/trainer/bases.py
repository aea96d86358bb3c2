"""The base of a job: model and tokenizer, loaded without a line of code from its folder."""

import json
import re
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BitsAndBytesConfig,
)

from core.errors import Invalid
from tuning.checkpoints import check_file
from tuning.trainer import attention, gguf
from tuning.trainer.refusal import Refused

_PICKLES = re.compile(r"\.(bin|pt|pth|ckpt|pkl|pickle|joblib|npy|npz|h5|msgpack)$")


class Device(NamedTuple):
    """Where it trains: `free` bytes of a GPU, None on a CPU; `peak` FLOP/s if known."""

    name: str
    kind: Literal["cpu", "cuda"]
    dtype: torch.dtype
    free: int | None
    peak: float | None


class Kind(NamedTuple):
    """What a model is loaded for; `flat`: rows will be laid end to end."""

    reward: bool
    full: bool
    bits: int
    flat: bool


class Base(NamedTuple):
    """A model, ready to be given an adapter, and its tokenizer."""

    model: Any
    tokenizer: Any
    folder: Path


# Dense bf16 FLOP/s as the makers state them.
_PEAKS = {
    "H200": 989e12, "H100": 989e12, "H800": 989e12, "A100": 312e12, "A800": 312e12, "B200": 2250e12,
    "L40S": 362e12, "L40": 181e12, "L4": 121e12, "A10": 125e12, "RTX 4090": 165e12,
}  # fmt: skip


def device(index: int = 0) -> Device:
    """The GPU of this process, else the CPU."""
    if not torch.cuda.is_available():
        return Device("cpu", "cpu", torch.float32, None, None)
    torch.cuda.set_device(index)
    name = torch.cuda.get_device_name(index)
    exact = torch.cuda.is_bf16_supported(including_emulation=False)
    dtype = torch.bfloat16 if exact else torch.float16
    peak = next((value for key, value in _PEAKS.items() if key in name), None)
    return Device(name, "cuda", dtype, torch.cuda.mem_get_info(index)[0], peak)


def load(place: Path, cache: Path, where: Device, kind: Kind) -> Base:
    """Load model and tokenizer; what is trained whole is kept in float32. Raises Refused."""
    folder = gguf.folder_of(place, cache)
    check(folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        model = _model(folder, config, where, kind)
    except (OSError, ValueError, KeyError, ImportError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        said = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        raise Refused(
            f"The base {folder.name} cannot be loaded ({said}). Choose another base."
        ) from error
    if tokenizer.chat_template is None:
        raise Refused(
            "The base has no chat template, so it knows no conversations. Choose one that was "
            "trained to follow instructions."
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.config.pad_token_id = tokenizer.pad_token_id
    return Base(model, tokenizer, folder)


def check(folder: Path) -> None:
    """Refuse code, pickles under any name, and weights that are not safetensors. Raises Refused."""
    for name in ("config.json", "tokenizer_config.json"):
        if "auto_map" in _json(folder / name):
            raise Refused(
                f"The base brings code of its own ({name}: auto_map). Choose another base."
            )
    weights = sorted(folder.glob("*.safetensors"))
    pickled = [path.name for path in folder.iterdir() if _PICKLES.search(path.name.lower())]
    if not weights:
        found = f" ({pickled[0]} is a pickle)" if pickled else ""
        raise Refused(f"The base has no safetensors weights{found}. Choose another base.")
    try:
        for path in (*weights, *folder.glob("*.json"), *folder.glob("*.jinja")):
            check_file(path, links=True)
    except Invalid as error:
        raise Refused(f"The base is refused: {error.message}") from error


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        if path.name == "config.json":
            raise Refused("The base has no config.json. Choose a folder of a model.") from None
        return {}
    except (OSError, ValueError, RecursionError):
        raise Refused(f"{path.name} of the base cannot be read. Choose another base.") from None
    return found if isinstance(found, dict) else {}


def _model(folder: Path, config: Any, where: Device, kind: Kind) -> Any:
    flat = attention.choose(config, where.kind, where.dtype) if kind.flat else "sdpa"
    options: dict[str, Any] = {
        "config": config,
        "dtype": torch.float32 if kind.full else where.dtype,
        "use_safetensors": True,
        "trust_remote_code": False,
        "local_files_only": True,
        "attn_implementation": flat,
    }
    if kind.bits == 4:
        options["quantization_config"] = _four_bits(where)
    if where.kind == "cuda":
        options["device_map"] = {"": torch.cuda.current_device()}
    if kind.reward:
        config.num_labels = 1
    auto = AutoModelForSequenceClassification if kind.reward else AutoModelForCausalLM
    model: Any = auto.from_pretrained(folder, **options)
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            # An evaluation would rearrange the weights, and no update could read them after it.
            module.support_avx512bf16_for_cpu = False
    return model


def _four_bits(where: Device) -> BitsAndBytesConfig:
    """NF4 with double quantization (Dettmers et al. 2023). Raises Refused where it does not run."""
    try:
        import bitsandbytes.functional as four

        four.quantize_4bit(torch.ones(64, 64, device=where.kind), quant_type="nf4")
    except Exception as error:
        said = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise Refused(
            f"LoRA in 4 bits does not run on this machine ({said}). Set `bits` to 16."
        ) from error
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=where.dtype,
    )
