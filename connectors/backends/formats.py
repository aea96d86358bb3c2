"""What may be loaded as a model, by content and not by name: safetensors, JSON, text, GGUF.

A pickle runs code when it is read, whatever it is called; so do files that a configuration names
as code. Whoever loads a model, ours or another's, is given only what passes here.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple, cast

import orjson

from connectors.backends import gguf
from connectors.backends.disguises import disguise_of, is_pickle
from connectors.backends.escapes import escape_in
from connectors.backends.tensors import check_safetensors
from core.errors import Invalid

MOST_FILES = 10_000
MOST_JSON = 512 << 20
_CODE = {".py", ".pyc", ".so", ".dll", ".dylib", ".sh", ".pth"}
_CODE_KEYS = {"auto_map", "custom_pipelines", "trust_remote_code", "auto_mapping"}
_SKIPPED = {".git", ".cache"}
"""Bookkeeping of whoever fetched the folder; no loader looks into it."""
_VOCABULARIES = {"tokenizer.json", "vocab.json", "added_tokens.json"}
_ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
CheckTemplate = Callable[[str], None]
"""Raises Invalid for a chat template that may not be used; it gets the template's source."""


class Checked(NamedTuple):
    """A model that may be loaded: `weight_bytes` are those of its tensors."""

    path: Path
    form: Literal["gguf", "folder"]
    config: dict[str, object]
    weight_bytes: int
    chat_template: str | None


def check_model(path: Path, check_template: CheckTemplate | None = None) -> Checked:
    """A GGUF file or a folder of safetensors. Raises Invalid with what is wrong in it.

    `check_template` should be given by whoever has the one renderer.
    """
    path = path.expanduser()
    if path.is_file():
        facts = gguf.read_facts(path)
        template = gguf.chat_template(facts)
        found = Checked(path, "gguf", gguf.as_config(facts), path.stat().st_size, template)
    elif path.is_dir():
        found = _folder(path)
    else:
        raise Invalid(
            f"There is no model at {str(path)[:300]}. Give a GGUF file or a folder.", param="source"
        )
    for one in _templates(found):
        check_sentence(one)
        if check_template is not None:
            check_template(one)
    return found


def check_adapter(path: Path, root: Path) -> Path:
    """The resolved folder of an adapter of ours: below `root`, without links. Raises Invalid."""
    place, below = Path(os.path.abspath(path)), Path(os.path.abspath(root))  # noqa: PTH100
    inside = place.is_relative_to(below) and place != below
    if not inside or place.resolve() != below.resolve() / place.relative_to(below):
        raise Invalid(
            f"The adapter {str(path)[:300]} is not one of this data folder. Publish it from a "
            "tuning job.",
            param="path",
        )
    if not place.is_dir():
        raise Invalid(f"There is no adapter at {str(path)[:300]}. Tune it again.", param="path")
    for file in _files(place):
        if file.is_symlink():
            raise _refused(file, "is a link")
        if file.name.endswith(".safetensors"):
            check_safetensors(file)
        elif file.suffix == ".json":
            _check_json(file)
        else:
            raise _refused(file, "is neither JSON nor safetensors")
    for name in _ADAPTER:
        if not (place / name).is_file():
            raise Invalid(f"The adapter has no {name}. Tune it again.", param="path")
    return place


def check_sentence(template: str) -> None:
    """Refuse a chat template that reaches for what stands behind its values. Raises Invalid."""
    found = escape_in(template)
    if found is not None:
        raise Invalid(
            f"The chat template of this model reaches out of its sandbox ({found}). Use a model "
            "from a source that you trust.",
            param="source",
        )


def _folder(path: Path) -> Checked:
    config: dict[str, object] = {}
    template: str | None = None
    weights = 0
    for file in _files(path):
        if file.is_symlink() and not file.resolve().is_relative_to(path.resolve()):
            raise _refused(file, "is a link that leads out of its folder")
        read = _check_file(file)
        weights += read.tensors
        if read.json is not None and file.parent == path:
            if file.name == "config.json":
                config = read.json
            if file.name == "tokenizer_config.json":
                template = template or _template_of(read.json)
        if file.name == "chat_template.jinja":
            template = file.read_text(encoding="utf-8")
    if not config:
        raise Invalid(
            f"{path.name} has no config.json. Give the folder of a Hugging Face model.",
            param="source",
        )
    if not weights:
        raise Invalid(
            f"{path.name} has no safetensors. Convert the model, or choose another.", param="source"
        )
    return Checked(path, "folder", config, weights, template)


def _files(path: Path) -> Iterator[Path]:
    count = 0
    for folder, names, files in os.walk(path):
        here = Path(folder)
        names[:] = sorted(set(names) - _SKIPPED) if here == path else sorted(names)
        linked = [name for name in names if (here / name).is_symlink()]
        if linked:
            raise _refused(here / linked[0], "is a link to a folder")
        for name in sorted(files):
            count += 1
            if count > MOST_FILES:
                raise Invalid(f"{path.name} has too many files. Give a model's folder.")
            yield here / name


class _Read(NamedTuple):
    tensors: int = 0
    json: dict[str, object] | None = None


def _check_file(file: Path) -> _Read:
    """What one file is; raises Invalid when it may not lie in a model's folder."""
    if not file.is_file():
        raise _refused(file, "is no plain file")
    if file.suffix.lower() in _CODE:
        raise _refused(file, "is code")
    with file.open("rb") as opened:
        head = opened.read(512)
    why = disguise_of(head)
    if why is not None:
        raise _refused(file, why)
    if head[:4] == gguf.MAGIC:
        gguf.read_facts(file)
        return _Read(file.stat().st_size)
    if head[8:9] == b"{":
        return _Read(check_safetensors(file))
    if head[:1] == b"\n" and file.name.endswith(".model") and not is_pickle(file):
        return _Read()  # a sentencepiece vocabulary: a protocol buffer
    return _text(file)


def _text(file: Path) -> _Read:
    if file.suffix == ".json":
        return _Read(json=_check_json(file))
    try:
        with file.open(encoding="utf-8") as opened:
            while piece := opened.read(1 << 20):
                if "\0" in piece:
                    raise _refused(file, "is neither text nor safetensors")
    except UnicodeDecodeError:
        raise _refused(file, "is neither text nor safetensors") from None
    if is_pickle(file):
        raise _refused(file, "is a pickle, which runs code when it is read")
    return _Read()


def _check_json(file: Path) -> dict[str, object] | None:
    if file.stat().st_size > MOST_JSON:
        raise _refused(file, "is too large for JSON")
    try:
        value = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError:
        raise _refused(file, "is no JSON") from None
    if file.name not in _VOCABULARIES:
        _check_keys(file, value)
    return cast(dict[str, object], value) if isinstance(value, dict) else None


def _check_keys(file: Path, value: object) -> None:
    """Refuse a configuration that has a loader import and run code of the folder's own."""
    if isinstance(value, list):
        for one in cast(list[object], value):
            _check_keys(file, one)
    if not isinstance(value, dict):
        return
    for key, inner in cast(dict[str, object], value).items():
        # A number under such a key is an entry of some vocabulary.
        if key in _CODE_KEYS and (inner is True or (inner and not isinstance(inner, int | float))):
            raise _refused(file, f"asks for code of its own ({key})")
        _check_keys(file, inner)


def _template_of(config: dict[str, object]) -> str | None:
    found = config.get("chat_template")
    if isinstance(found, list):  # several by name
        texts = [one.get("template") for one in found if isinstance(one, dict)]
        return "\n".join(text for text in texts if isinstance(text, str)) or None
    return found if isinstance(found, str) else None


def _templates(found: Checked) -> list[str]:
    return [] if found.chat_template is None else [found.chat_template]


def _refused(file: Path, why: str) -> Invalid:
    return Invalid(
        f"{file.name[:200]} {why}. Models are loaded from safetensors, JSON, text and GGUF only: "
        "remove the file, or choose another model.",
        param="source",
    )
