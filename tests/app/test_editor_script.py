"""The built code editor: of the locked packages and these sources, and silent on the network."""

import hashlib
import json
import re

import pytest

from app.server import editor_script

SOURCES = editor_script.SCRIPT.parent / "editor_source"
REACHES = re.compile(
    r"\bfetch\s*\(|XMLHttpRequest|WebSocket|EventSource|sendBeacon|\bimport\s*\(|importScripts|"
    r"\beval\s*\(|new Function|innerHTML|insertAdjacentHTML|document\.write|"
    r"\.src\s*=|https?://(?!www\.w3\.org/2000/svg\b)"
)


def parts() -> tuple[str, str]:
    """The head with versions and licences, and the code."""
    head, code = editor_script.SCRIPT.read_text(encoding="utf-8").split("\n */\n", 1)
    return head, code


def test_the_head_names_the_versions_of_the_lock():
    lock = json.loads((SOURCES / "package-lock.json").read_text())["packages"]
    wanted = {
        f"{path.removeprefix('node_modules/')} {one['version']}"
        for path, one in lock.items()
        if path and not one.get("dev") and not one.get("devOptional")
    }
    named = set(
        re.findall(r"^ \* ((?:@[\w.-]+/)?[\w.-]+ \d+\.\d+\.\d+)$", parts()[0], re.MULTILINE)
    )
    assert named == wanted
    assert len(wanted) > 8
    assert parts()[0].count("Permission is hereby granted") >= 1


def test_packages_are_pinned_exactly():
    package = json.loads((SOURCES / "package.json").read_text())
    pins = {**package["dependencies"], **package["devDependencies"]}
    lock = json.loads((SOURCES / "package-lock.json").read_text())["packages"]
    assert {name: lock[f"node_modules/{name}"]["version"] for name in pins} == pins
    assert all("integrity" in one for path, one in lock.items() if path)
    assert "resolved" not in (SOURCES / "package-lock.json").read_text()


def test_it_was_built_from_these_sources():
    names = ("main.js", "completion.js", "jinja.js")
    digest = hashlib.sha256(b"".join((SOURCES / name).read_bytes() for name in names)).hexdigest()
    assert f"Sources: sha256 {digest}" in parts()[0], "Run `make editor`."


def test_it_reaches_for_nothing():
    assert REACHES.findall(parts()[1]) == []


@pytest.mark.parametrize(
    "code", ["fetch('/x')", "a.src=b", "import('x')", "eval(x)", "n.innerHTML=x", "'https://x.org'"]
)
def test_the_check_sees(code: str):
    assert REACHES.search(code)
