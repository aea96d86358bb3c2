"""The state of a training as safetensors and JSON: weights, optimizer, schedule, random numbers."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

WEIGHTS = "weights.safetensors"
OPTIMIZER = "optimizer.safetensors"
STATE = "state.json"


def save_weights(model: Any, folder: Path) -> None:
    """What is trained, by the model's own names; shared weights once."""
    save_file(_trained(model), folder / WEIGHTS)


def load_weights(model: Any, folder: Path) -> None:
    """Put weights back in place. Raises ValueError when they are of another model."""
    found = load_file(folder / WEIGHTS)
    own = {name: part for name, part in model.named_parameters() if part.requires_grad}
    if found.keys() != own.keys():
        raise ValueError("the checkpoint is of another model")
    with torch.no_grad():
        for name, part in own.items():
            part.copy_(found[name])


def _trained(model: Any) -> dict[str, torch.Tensor]:
    return {
        name: part.detach().contiguous()
        for name, part in model.named_parameters()
        if part.requires_grad
    }


def save_state(folder: Path, optimizer: Any, parts: dict[str, Any]) -> None:
    """The optimizer's tensors, and `parts` with all else of it as JSON."""
    found = optimizer.state_dict()
    tensors: dict[str, torch.Tensor] = {}
    plain: dict[str, dict[str, Any]] = {}
    for index, state in found["state"].items():
        for key, value in state.items():
            if isinstance(value, torch.Tensor):
                tensors[f"{index}.{key}"] = value.detach().contiguous()
            else:
                plain.setdefault(str(index), {})[key] = value
    save_file(tensors, folder / OPTIMIZER)
    state = {**parts, "optimizer": plain, "groups": found["param_groups"]}
    (folder / STATE).write_text(json.dumps(state))


def load_state(folder: Path) -> dict[str, Any]:
    """The JSON part of a saved state."""
    return json.loads((folder / STATE).read_text())


def load_optimizer(optimizer: Any, folder: Path) -> None:
    """Go on with the saved moments and steps."""
    saved = load_state(folder)
    state: dict[int, dict[str, Any]] = {
        int(index): dict(values) for index, values in saved["optimizer"].items()
    }
    for name, tensor in load_file(folder / OPTIMIZER).items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": saved["groups"]})


def save_random(folder: Path, rank: int) -> None:
    """The state of every generator of this process."""
    version, numbers, gauss = random.getstate()
    kind, keys, place, has_gauss, cached = np.random.get_state()
    plain = {
        "python": [version, list(numbers), gauss],
        "numpy": [kind, np.asarray(keys).tolist(), place, has_gauss, cached],
    }
    (folder / f"random-{rank}.json").write_text(json.dumps(plain))
    tensors = {"cpu": torch.random.get_rng_state()}
    if torch.cuda.is_available():
        tensors["cuda"] = torch.cuda.random.get_rng_state()
    save_file(tensors, folder / f"random-{rank}.safetensors")


def load_random(folder: Path, rank: int) -> None:
    """Go on where the generators were; of a rank that was not there before, begin anew."""
    place = folder / f"random-{rank}.json"
    if not place.is_file():
        return
    plain = json.loads(place.read_text())
    version, numbers, gauss = plain["python"]
    random.setstate((version, tuple(numbers), gauss))
    kind, keys, at, has_gauss, cached = plain["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), at, has_gauss, cached))
    tensors = load_file(folder / f"random-{rank}.safetensors")
    torch.random.set_rng_state(tensors["cpu"])
    if torch.cuda.is_available() and "cuda" in tensors:
        torch.cuda.random.set_rng_state(tensors["cuda"])
