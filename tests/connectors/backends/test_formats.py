"""What may be loaded: decided by content; each refusal has a control that passes without it."""

import collections
import gzip
import io
import json
import os
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from connectors.backends import disguises
from connectors.backends.formats import check_adapter, check_model
from connectors.demo import model_file
from core.errors import Invalid, Unavailable
from prompts.chat_template import check_chat_template
from tests.support.models import adapter, folder, gguf, safetensors

MARK = "PICKLE_RAN"


class Evil:
    """Sets a variable of the environment when it is read."""

    def __reduce__(self):
        return os.putenv, (MARK, "1")


def zipped(name: str = "archive/data.pkl") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(name, pickle.dumps(Evil()))
    return made.getvalue()


def object_array() -> bytes:
    made = io.BytesIO()
    np.save(made, np.array([Evil()], dtype=object), allow_pickle=True)
    return made.getvalue()


def tarred() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        entry = tarfile.TarInfo("data.pkl")
        body = pickle.dumps(Evil())
        entry.size = len(body)
        archive.addfile(entry, io.BytesIO(body))
    return made.getvalue()


PICKLES = {
    **{f"protocol {number}": pickle.dumps(Evil(), number) for number in range(6)},
    "by hand": b"cos\nsystem\n(S'true'\ntR.",
    "no stop": b"cos\nsystem\n(S'true'\ntR",
    "inst": b"(S'true'\nios\nsystem\n.",
    "zip": zipped(),
    "numpy": object_array(),
    "tar": tarred(),
    "gzip": gzip.compress(pickle.dumps(Evil())),
    "legacy torch": pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(Evil(), 2),
    "ordered": pickle.dumps(collections.OrderedDict(a=Evil()), 2),
}
NAMES = ("pytorch_model.bin", "model.pt", "notes.txt", "weights.safetensors", "x.json", "a.model")


@pytest.mark.parametrize("kind", PICKLES)
@pytest.mark.parametrize("name", NAMES)
def test_no_pickle_in_any_disguise(tmp_path: Path, kind: str, name: str) -> None:
    place = folder(tmp_path / "model")
    (place / name).write_bytes(PICKLES[kind])
    with pytest.raises(Invalid, match=name.replace(".", r"\.")):
        check_model(place)
    assert MARK not in os.environ


def test_without_the_guard_old_pickles_would_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = folder(tmp_path / "model")
    (place / "notes.txt").write_bytes(PICKLES["protocol 0"])
    monkeypatch.setattr("connectors.backends.formats.is_pickle", lambda _: False)
    assert check_model(place).form == "folder"


@pytest.mark.parametrize(
    "text",
    [
        "company\nfoo\nbar.",
        "c\na\nb.\n",
        "if\nx\ny",
        "#version: 0.2\n",
        "(a list)",
        "I am.",
        ".",
        "",
    ],
)
def test_plain_text_is_no_pickle(tmp_path: Path, text: str) -> None:
    file = tmp_path / "vocab.txt"
    file.write_text(text)
    assert not disguises.is_pickle(file)


def test_a_whole_folder_passes(tmp_path: Path) -> None:
    found = check_model(folder(tmp_path / "model"), check_chat_template)
    assert (found.form, found.weight_bytes) == ("folder", 32)
    assert found.config["hidden_size"] == 64
    assert found.chat_template


def broken() -> dict[str, bytes]:
    whole = safetensors({"a": [4], "b": [2]})
    head = json.loads(whole[8 : 8 + int.from_bytes(whole[:8], "little")])

    def made(**changes: object) -> bytes:
        text = json.dumps({**head, **changes}).encode()
        return len(text).to_bytes(8, "little") + text + bytes(12)

    return {
        "cut": whole[:-1],
        "longer": whole + b"x",
        "head beyond": (1 << 40).to_bytes(8, "little") + whole[8:],
        "overlap": made(b={"dtype": "BF16", "shape": [2], "data_offsets": [4, 8]}),
        "gap": made(b={"dtype": "BF16", "shape": [1], "data_offsets": [10, 12]}),
        "negative": made(b={"dtype": "BF16", "shape": [-2], "data_offsets": [8, 4]}),
        "dtype": made(b={"dtype": "OBJECT", "shape": [2], "data_offsets": [8, 12]}),
        "no json": whole[:9] + b"!" + whole[10:],
    }


@pytest.mark.parametrize("kind", broken())
def test_a_safetensors_file_must_be_what_its_head_says(tmp_path: Path, kind: str) -> None:
    place = folder(tmp_path / "model")
    (place / "model.safetensors").write_bytes(broken()[kind])
    with pytest.raises(Invalid, match="safetensors"):
        check_model(place)


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json", "processor_config.json"])
@pytest.mark.parametrize(
    "entry",
    [
        {"auto_map": {"AutoModelForCausalLM": "modeling_x.Model"}},
        {"inner": [{"auto_map": {"AutoConfig": "x.y"}}]},
        {"trust_remote_code": True},
    ],
)
def test_code_of_the_folder_is_never_asked_for(tmp_path: Path, file: str, entry: object) -> None:
    place = folder(tmp_path / "model")
    (place / file).write_text(json.dumps(entry))
    with pytest.raises(Invalid, match="code of its own"):
        check_model(place)


def test_code_and_links_are_refused(tmp_path: Path) -> None:
    place = folder(tmp_path / "model")
    (place / "modeling.py").write_text("print(1)")
    with pytest.raises(Invalid, match="is code"):
        check_model(place)
    (place / "modeling.py").unlink()
    outside = tmp_path / "elsewhere.json"
    outside.write_text("{}")
    (place / "extra.json").symlink_to(outside)
    with pytest.raises(Invalid, match="leads out"):
        check_model(place)
    (place / "extra.json").unlink()
    (place / "extra.json").symlink_to(place / "config.json")
    assert check_model(place).form == "folder"
    (place / "deep").symlink_to(tmp_path)
    with pytest.raises(Invalid, match="link to a folder"):
        check_model(place)


ESCAPES = (
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ messages|attr('__class__') }}",
    "{{ ''['__class__'] }}",
    "{{ ''['\\x5f\\x5fclass\\x5f\\x5f'] }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ self.__init__ }}",
    "{{ ('_'~'_class_'~'_') }}",
)


@pytest.mark.parametrize("template", ESCAPES)
def test_chat_templates_do_not_reach_out(tmp_path: Path, template: str) -> None:
    """In a folder, in a file of its own, and in a GGUF file."""
    place = folder(tmp_path / "a")
    (place / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    other = folder(tmp_path / "b")
    (other / "chat_template.jinja").write_text(template)
    file = tmp_path / "c.gguf"
    file.write_bytes(gguf({"general.architecture": "llama", "tokenizer.chat_template": template}))
    for source in (place, other, file):
        with pytest.raises(Invalid, match="chat template"):
            check_model(source)


@pytest.mark.parametrize("template", ["{{ 'a' * 10**9 }}", "{% if %}", "{{ ''.__class__ }}"])
def test_chat_templates_go_through_the_one_renderer(tmp_path: Path, template: str) -> None:
    with pytest.raises(Invalid, match="chat template"):
        check_chat_template(template)
    check_chat_template("{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}"
                        "{%- continue %}{% endfor %}{{ raise_exception('no') }}")  # fmt: skip


def test_the_demo_model_passes_and_its_head_is_read() -> None:
    try:
        found = check_model(model_file(), check_chat_template)
    except Unavailable:
        pytest.skip("DEMO MODEL MISSING: run `make setup`")
    assert found.form == "gguf"
    assert (found.config["num_hidden_layers"], found.config["max_position_embeddings"]) == (
        30,
        8192,
    )
    assert "im_start" in str(found.chat_template)


@pytest.mark.parametrize(
    "body",
    [
        b"GGUF",
        b"GGUF" + (3).to_bytes(4, "little") + (1 << 60).to_bytes(8, "little") * 2,
        gguf({"a": "b"})[:-1],
        gguf({"a": 1}).replace(b"\x04\0\0\0\x01", b"\x63\0\0\0\x01"),
        b"JUNK" * 100,
    ],
)
def test_a_broken_gguf_file_is_refused(tmp_path: Path, body: bytes) -> None:
    file = tmp_path / "x.gguf"
    file.write_bytes(body)
    with pytest.raises(Invalid, match="GGUF"):
        check_model(file)


def test_an_adapter_lies_below_the_root_without_links(tmp_path: Path) -> None:
    root = tmp_path / "tuning"
    place = adapter(root / "job" / "adapter")
    assert check_adapter(place, root) == place
    other = adapter(tmp_path / "elsewhere")
    (root / "linked").symlink_to(other)
    (root / "job2").symlink_to(tmp_path)
    for path in (
        other, root / "linked", root / ".." / "elsewhere", root / "job2" / "elsewhere", root,
        Path("http://127.0.0.1/adapter"), Path("../elsewhere"), root / "none",
    ):  # fmt: skip
        with pytest.raises(Invalid):
            check_adapter(path, root)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda place: (place / "adapter_model.bin").write_bytes(PICKLES["protocol 2"]),
        lambda place: (place / "adapter_model.safetensors").write_bytes(PICKLES["zip"]),
        lambda place: (place / "adapter_config.json").write_text('{"auto_mapping": {"x": "y"}}'),
        lambda place: (place / "adapter_config.json").unlink(),
        lambda place: (place / "x.safetensors").symlink_to(place / "adapter_model.safetensors"),
    ],
)
def test_an_adapter_is_json_and_safetensors(tmp_path: Path, spoil) -> None:
    place = adapter(tmp_path / "tuning" / "job")
    assert check_adapter(place, tmp_path / "tuning")
    spoil(place)
    with pytest.raises(Invalid):
        check_adapter(place, tmp_path / "tuning")
