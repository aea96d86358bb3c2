"""No template of the collection leaves the sandbox, through whichever door it comes."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from prompts.checks import check_content
from prompts.content import MessageTemplate, PromptContent
from prompts.files import parse_prompt_file, write_prompty
from prompts.template import Renderer, TemplateError, TemplateProblem
from tests.prompts.hostile import ESCAPES

ROOT = Path(__file__).parents[2]
PACKAGES = ("app", "connectors", "core", "evalsets", "prompts", "rag", "serving", "tuning")
INPUTS = {"text": "t", "items": ["a"], "mapping": {"a": 1}, "x": 1}
ENV = "PROMPTSTONE_TEST_CANARY"


@dataclass
class Trap:
    """Where canaries are, and the file that an escape would make."""

    folder: Path
    secret: str = "canary-5f1d0c"

    def arm(self, payload: str) -> str:
        file, touch = self.folder / "secret.txt", self.folder / "touched"
        armed = payload.replace("@ENV@", ENV).replace("@FILE@", str(file))
        return armed.replace("@TOUCH@", str(touch))

    def check(self, shown: str) -> None:
        assert self.secret not in shown
        assert "root:" not in shown
        assert sorted(p.name for p in self.folder.iterdir()) == ["secret.txt"]


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trap:
    made = Trap(tmp_path)
    (tmp_path / "secret.txt").write_text(made.secret)
    monkeypatch.setenv(ENV, made.secret)
    return made


@pytest.fixture
def r(trap: Trap) -> Iterator[Renderer]:
    made = Renderer(workers=1)
    yield made
    made.close()


def one(source: str) -> list[MessageTemplate]:
    return [MessageTemplate(role="user", content=source)]


def children(pid: int) -> str:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().strip()


def test_the_collection_is_large() -> None:
    assert len(set(ESCAPES)) >= 100


def test_no_escape_through_rendering(r: Renderer, trap: Trap) -> None:
    r.render(one("{{ 1 }}"), {})
    pids = r.pids()
    for payload in ESCAPES:
        source = trap.arm(payload)
        for result in r.render_many(one(source), [INPUTS, {}]):
            shown = result.sentence if isinstance(result, TemplateProblem) else str(result.messages)
            assert "<class" not in shown
            assert "0x" not in shown
            trap.check(shown)
        try:
            trap.check(repr(r.variables(one(source))))
        except TemplateError as error:
            trap.check(str(error))
        assert children(pids[0]) == ""
    assert r.pids() == pids


def test_no_escape_through_chat_templates_of_models(r: Renderer, trap: Trap) -> None:
    r.chats("{{ messages }}", [{"messages": []}])
    pids = r.pids()
    named = "{{ raise_exception.__globals__ }}{{ raise_exception.__init__.__globals__ }}"
    for payload in [*ESCAPES, named, "{{ raise_exception|attr('_wrapped') }}"]:
        for result in r.chats(trap.arm(payload), [INPUTS, {"messages": []}]):
            shown = result if isinstance(result, str) else result.sentence
            assert "<function" not in shown
            assert "<class" not in shown
            trap.check(shown)
        assert children(pids[0]) == ""
    assert r.pids() == pids


def test_no_escape_through_saving_and_importing(trap: Trap) -> None:
    for payload in ESCAPES:
        content = PromptContent(messages=tuple(one(trap.arm(payload))))
        read = parse_prompt_file("x.prompty", write_prompty("x", content).encode()).content
        assert read == content
        try:
            trap.check(repr(check_content(read)))
        except TemplateError as error:
            trap.check(str(error))


async def test_no_escape_beside_the_event_loop(r: Renderer, trap: Trap) -> None:
    for payload in ESCAPES[::5]:
        for result in await r.arender_many(one(trap.arm(payload)), [INPUTS]):
            trap.check(repr(result))


def test_values_are_never_templates(r: Renderer, trap: Trap) -> None:
    """A cell, a chunk, a thread and an answer, in a chain of three prompts."""
    payloads = [trap.arm(payload) for payload in ESCAPES]
    thread = [{"role": "user", "content": payload} for payload in payloads]
    assert r.render(one("{{ h }}"), {"h": thread}, frozenset({"h"})).messages == thread
    for payload in payloads:
        shown = payload
        for _ in range(3):
            rendered = r.render(one("<{{ a }}>{{ b.c[0] }}"), {"a": shown, "b": {"c": [payload]}})
            shown = rendered.messages[0]["content"]
        assert shown == "<<<" + payload + f">{payload}" * 3


_CONTROL = """
import sys, json, jinja2
for source in json.load(sys.stdin):
    try:
        print(jinja2.Environment().from_string(source).render(text="t", items=["a"], mapping={}, x=1))
    except Exception as error:
        print("refused", type(error))
"""


def test_the_same_payloads_do_escape_from_a_plain_environment(trap: Trap) -> None:
    import json

    armed = json.dumps([trap.arm(payload) for payload in ESCAPES])
    done = subprocess.run(
        [sys.executable, "-c", _CONTROL], input=armed, capture_output=True, text=True, check=True
    )
    assert done.stdout.count(trap.secret) >= 30
    assert (trap.folder / "touched").exists()
    with pytest.raises(AssertionError):
        trap.check(done.stdout)


def test_the_worker_has_no_environment_and_can_open_nothing(r: Renderer) -> None:
    r.render(one("{{ 1 }}"), {})
    (pid,) = r.pids()
    limits = Path(f"/proc/{pid}/limits").read_text()
    rows = {line[:26].strip(): line[26:].split()[:2] for line in limits.splitlines()}
    assert rows["Max open files"] == ["0", "0"]
    assert rows["Max file size"] == ["0", "0"]
    assert rows["Max processes"] == ["0", "0"]
    assert rows["Max address space"] == [str(512 * 1024 * 1024)] * 2
    assert Path(f"/proc/{pid}/environ").read_bytes() == b""
    assert sorted(p.name for p in Path(f"/proc/{pid}/fd").iterdir()) == ["0", "1", "2"]


def environments(source: str) -> list[str]:
    """Calls that make an environment or a template."""
    found: list[str] = []
    tree = ast.parse(source)
    from_string = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "string"
        for alias in node.names
    }
    own = {  # a tuple called Template, an environment of JSON paths
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and [ast.unparse(base) for base in node.bases] in (["NamedTuple"], ["JSONPathEnvironment"])
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            harmless = name in from_string | own  # string.Template runs no code
            made = name.endswith("Environment") or name in ("Template", "from_string")
            if made and not harmless:
                found.append(name)
    return found


def imports_jinja(source: str) -> bool:
    return any(
        (isinstance(node, ast.Import) and any(a.name.split(".")[0] == "jinja2" for a in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "jinja2")
        for node in ast.walk(ast.parse(source))
    )


def test_only_the_child_imports_jinja() -> None:
    where = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if imports_jinja(path.read_text())
    }
    child = ("sandbox", "faceless", "discovery", "inlining")
    assert where == {f"prompts/{name}.py" for name in child}
    done = subprocess.run(
        [sys.executable, "-c", "import sys, prompts.template; print('jinja2' in sys.modules)"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "False\n"


def test_only_one_module_makes_templates() -> None:
    where = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if environments(path.read_text())
    }
    assert where == {"prompts/sandbox.py"}
    assert environments("import jinja2\njinja2.Environment().from_string('x')") != []
    assert environments("Template('x')") != []
    assert environments("class Template(jinja2.Template): ...\nTemplate('x')") != []
