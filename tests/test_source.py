"""What no source file of ours may contain: code made from data, and files that run at start-up."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("app", "connectors", "core", "evalsets", "prompts", "rag", "serving", "tuning")
BANNED_MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "vllm", "litellm"}
RUNS_OWN_FILES = ROOT / "evalsets/evaluators/own_worker.py"
"""The confined process of the evaluators that the administrator wrote: the one exception."""
BANNED_NAMES = {"eval", "exec", "compile", "__import__"}
BANNED_ATTRIBUTES = {
    ("yaml", "load"),
    ("yaml", "full_load"),
    ("yaml", "unsafe_load"),
    ("os", "system"),
    ("os", "popen"),
}


def offences(source: str) -> Iterator[str]:
    """Banned imports and calls of a source text, with their lines."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module or "").split(".")[0]]
        yield from (f"{node.lineno}: import {name}" for name in names if name in BANNED_MODULES)
        if isinstance(node, ast.Call):
            yield from _banned_call(node)


def _banned_call(node: ast.Call) -> Iterator[str]:
    function = node.func
    if isinstance(function, ast.Name) and function.id in BANNED_NAMES:
        yield f"{node.lineno}: {function.id}()"
    if (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and (function.value.id, function.attr) in BANNED_ATTRIBUTES
    ):
        yield f"{node.lineno}: {function.value.id}.{function.attr}()"
    for keyword in node.keywords:
        literal = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
        if keyword.arg in ("shell", "trust_remote_code") and literal is True:
            yield f"{node.lineno}: {keyword.arg}=True"


def _sources() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def test_no_code_is_made_from_data() -> None:
    found = {path: list(offences(path.read_text())) for path in _sources()}
    one = found.pop(RUNS_OWN_FILES)
    assert not [f"{path}:{what}" for path, all_of_it in found.items() for what in all_of_it]
    assert sorted(what.partition(": ")[2] for what in one) == ["compile()", "exec()"]


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "eval('1')",
        "exec(x)",
        "import yaml\nyaml.load(x)",
        "import os\nos.system('ls')",
        "import subprocess\nsubprocess.run('ls', shell=True)",
        "AutoModel.from_pretrained(x, trust_remote_code=True)",
    ],
)
def test_the_check_sees(source: str) -> None:
    assert list(offences(source))


def test_package_inits_are_empty() -> None:
    filled = [
        path for path in _sources() if path.name == "__init__.py" and path.read_text().strip()
    ]
    assert not filled
