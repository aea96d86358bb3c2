"""SAFETY T5: every place that renders is known, and each goes through the one renderer."""

import ast
import io
import json
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.main import app
from app.report.exporting import export_run
from app.workspace.components.snippets import example
from connectors.connections import Connections
from core.clock import utcnow
from core.database import Database
from core.errors import PromptstoneError
from evalsets.evaluators.judge import Judge
from evalsets.foreign.folder import Given
from evalsets.foreign.promptfoo.config import read_promptfoo
from evalsets.improving.drafting import drafted
from evalsets.improving.proposal import proposed
from evalsets.runs.cell_detail import cell_detail
from evalsets.runs.service import RunRequest, plan
from evalsets.runs.trying import freeze_for, judge_calls, samples
from prompts.chat_template import check_chat_template
from prompts.content import MessageTemplate, PromptContent, Variable
from prompts.foreign.langfuse import read_langfuse
from prompts.foreign.pushing import checked
from prompts.template import TemplateError, renderer
from serving import judging, portable
from serving.lookup import need_app
from serving.service import save_operations
from serving.settings import JudgedSample, Operations
from tests.prompts.hostile import ESCAPES
from tests.prompts.test_hostile import PACKAGES, ROOT, Trap, trap
from tests.support.apps import manifest_of
from tests.support.apps_server import apps_server
from tests.support.running import add_cases, add_prompt, begin, cell_rows, run_row, work_on

__all__ = ["trap"]
CALLS = {"renderer", "render_many", "arender_many", "render_content", "check_content"} | {
    "prepared"
}
ENTRIES = {
    "app/cli/prompt.py": "promptstone prompt push and render",
    "app/workspace/components/snippets.py": "the code that calls an app",
    "app/workspace/components/saving.py": "the Save button of the editor",
    "app/workspace/components/composing.py": "a text that includes snippets, before it is saved",
    "app/workspace/components/fitting.py": "the variables of prompts that a plan is opened with",
    "app/workspace/components/scene_readying.py": "the columns of the playground",
    "app/workspace/components/improving.py": "a model's proposal, when a person takes it",
    "app/workspace/components/trial.py": "the Run button of the editor and its estimate",
    "app/workspace/components/base_passages.py": "what a base is asked for by a trial, a column, a run",
    "app/workspace/tabs/prompts_edit.py": "the variables beside the editor",
    "evalsets/foreign/promptfoo/export.py": "snippets put into an export for promptfoo",
    "evalsets/improving/drafting.py": "a prompt that a model drafts",
    "evalsets/improving/proposal.py": "what a model proposes for a prompt",
    "evalsets/runs/bindings.py": "what a mapping binds and no prompt reads",
    "evalsets/runs/grounding.py": "which arms of a run take passages",
    "evalsets/runs/prepare.py": "plans, cells, exports and the inspector of a run",
    "evalsets/runs/scoring.py": "judges",
    "evalsets/runs/trying.py": "a judge on three answers of a run",
    "evalsets/runs/worker.py": "starts the renderer's process, renders nothing",
    "prompts/chat_template.py": "the chat template of a backend's or a training's base",
    "prompts/checks.py": "checks before a save",
    "prompts/export.py": "snippets put into exports for Langfuse and OpenAI",
    "prompts/foreign/pushing.py": "prompts of other programs' files",
    "prompts/template.py": "the renderer itself",
    "serving/judging.py": "the judge of a share of an app's calls",
    "serving/loaded.py": "what a release asks for, when a process loads it",
    "serving/making.py": "the kind of a new app",
    "serving/portable.py": "releases from files",
    "serving/preparing.py": "calls of apps",
    "serving/releasing.py": "a draft that becomes a release",
}
PAYLOADS = [ESCAPES[at] for at in (0, 9, 40, 75, 80, 90, 100, 115, 130, -1)]


def _calls(source: str) -> set[str]:
    return {
        getattr(node.func, "attr", getattr(node.func, "id", ""))
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
    } & CALLS


def test_every_place_that_renders_is_in_the_inventory() -> None:
    found = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if _calls(path.read_text())
    }
    assert found == set(ENTRIES), "add the place to ENTRIES and its door to the tests below"
    assert _calls("from prompts.template import renderer\nrenderer().render([], {})")


@pytest.fixture
def payloads(trap: Trap) -> list[str]:
    assert len(set(PAYLOADS)) == 10
    return [trap.arm(payload) for payload in PAYLOADS]


def _declared(payload: str) -> tuple[Variable, ...]:
    """What a template reads, so that no run is refused for a missing variable."""
    message = MessageTemplate(role="user", content=payload)
    try:
        used = renderer().variables([message]).used
        return tuple(Variable(name=name, default="x") for name in used)
    except (TemplateError, ValueError):
        return ()


def test_files_of_other_programs(trap: Trap, payloads: list[str]) -> None:
    """Templates are compiled for a look at their variables; checks of a case are no templates."""
    texts = [{"name": f"p{n}", "prompt": text, "config": {"template_format": "jinja2"}}
             for n, text in enumerate(payloads)]  # fmt: skip
    found = read_langfuse("x.json", json.dumps(texts).encode())
    tests = [{"vars": {"q": text}, "assert": [{"type": "contains", "value": text}]}
             for text in payloads]  # fmt: skip
    config = json.dumps({"prompts": [*payloads, "{{q}}"], "tests": tests}).encode()
    arrival = read_promptfoo("pf.json", config, Given({}))
    for one in (found, arrival):
        checked(one)
    _check(trap, repr(found) + repr(arrival), trap.folder)
    assert any(one.name == "pf/prompt" or one.name.startswith("pf/") for one in arrival.prompts)


def test_what_models_propose(trap: Trap, payloads: list[str]) -> None:
    """Proposals and drafts are compiled for a look at their variables, and never rendered."""
    before = PromptContent(messages=(MessageTemplate(role="user", content="Say {{ topic }}."),))
    taken = 0
    for payload in payloads:
        texts = [f"{payload} {{{{ topic }}}}"]
        draft = [{"role": "user", "text": payload}]
        for propose, said in ((partial(proposed, before), texts), (drafted, draft)):
            try:
                found = repr(propose(json.dumps({"reason": payload, "messages": said})))
                taken += 1
            except PromptstoneError as error:
                found = str(error)
            _check(trap, found, trap.folder)
    assert taken > 0, "a text that only asks for a variable is taken"


async def test_runs_judges_plans_and_exports(
    sqlite_db: Database, trap: Trap, payloads: list[str]
) -> None:
    """Ten prompts and ten judges of payloads; and the same texts as cells, which come back."""
    names = [f"p{number}" for number in range(10)]
    for name, payload in zip(names, payloads, strict=True):
        add_prompt(sqlite_db, name, text=payload + "{{ topic }}", variables=_declared(payload))
    add_prompt(sqlite_db, "plain", text="{{ topic }}")
    add_cases(sqlite_db, [{"topic": payload} for payload in payloads])
    judges = tuple(
        {"kind": "judge", "rubric": payload, "model": "echo", "prompt": name, "name": f"j{name}"}
        for name, payload in zip(names, payloads, strict=True)
    )
    from connectors.service import ensure_builtin

    with sqlite_db.session_scope("t") as session:
        ensure_builtin(session)
    prompts = ("plain", *names)
    request = {"prompts": prompts, "models": ("echo",), "dataset": "cases", "evaluators": judges}
    mapped = RunRequest.model_validate({**request, "mapping": ("topic=topic", "x=topic")})
    shown = repr(plan(sqlite_db, mapped))
    run = begin(sqlite_db, "echo", prompts=prompts, evaluators=judges)
    for form in ("jsonl", "html"):  # nothing was sent yet: messages are rendered for the export
        out = io.BytesIO()
        export_run(sqlite_db, "t", run, form, out)
        _check(trap, out.getvalue().decode(), trap.folder)
    await work_on(sqlite_db, run)
    assert run_row(sqlite_db, run).status == "completed"
    out = io.BytesIO()
    export_run(sqlite_db, "t", run, "jsonl", out)
    _check(trap, shown + out.getvalue().decode(), trap.folder)
    rows = [json.loads(line) for line in out.getvalue().splitlines()]
    plain = [row for row in rows if row["prompt"] == "plain"]
    assert [row["output"] for row in plain] == payloads, "a cell is no template"
    assert sum(row["error"] is not None for row in rows) >= 80
    for cell in cell_rows(sqlite_db, run)[:30]:
        _check(trap, repr(cell_detail(sqlite_db, run, cell.number)), trap.folder)
    for judge in judges:  # tried on three answers, which are payloads too
        with sqlite_db.read_scope() as session:
            frozen = freeze_for(session, run, judge).judge
            subjects = [one.subject for one in samples(session, run)]
        assert frozen is not None
        tried = judge_calls(Judge.model_validate(judge), frozen, subjects)
        _check(trap, repr(tried), trap.folder)


def test_chat_templates_of_models(trap: Trap, payloads: list[str]) -> None:
    for payload in payloads:
        with suppress(PromptstoneError):
            check_chat_template(payload)
        _check(trap, "", trap.folder)


def test_commands(tmp_path: Path, trap: Trap, payloads: list[str]) -> None:
    data = ["--data-dir", str(tmp_path / "data")]
    outside = tmp_path / "in"
    outside.mkdir()
    for number, payload in enumerate(payloads):
        file = outside / f"p{number}.prompty"
        file.write_text(f"---\nname: p{number}\n---\nuser:\n{payload}\n")
        for words in (
            ["push", str(file)],
            ["render", f"p{number}", "--var", f"text={payload}", "--json"],
        ):
            done = CliRunner().invoke(app, [*data, "prompt", *words])
            assert done.exit_code != 0 or "render" not in words or "{" in done.output
            _check(trap, done.output + str(done.exception), tmp_path)


async def test_apps_and_their_judges(tmp_path: Path, trap: Trap, payloads: list[str]) -> None:
    """Ten payloads as the prompts of apps, as what clients send, as files, and as judges."""
    answered = 0
    with apps_server(tmp_path / "data") as server:
        db = server.database
        server.app("plain", "{{ topic }}", "user", kind="completion")
        plain = server.new_key("plain", "plain")
        for number, payload in enumerate(payloads):
            name = f"p{number}"
            said = server.call("/apps/plain/invoke", {"inputs": {"topic": payload}}, key=plain)
            assert said.json["output"] == payload, "what a client sends is no template"
            inputs = [variable.model_dump() for variable in _declared(payload)]
            try:
                server.app(name, payload, "user", content={"inputs": inputs})
            except PromptstoneError as error:
                _check(trap, str(error), tmp_path)
                continue
            server.key = server.new_key(name, name)
            answer = server.chat(name)
            _check(trap, answer.body.decode(), tmp_path)
            answered += answer.status in (200, 422)
            called = example(name, manifest_of(db, name))
            with db.read_scope() as session:
                file = portable.export(session, name, "latest")
            with db.session_scope("t") as session:
                portable.take(session, portable.read_file(file), f"again-{name}")
            server.key = server.new_key(f"again-{name}", f"again-{name}")
            again = server.chat(f"again-{name}@1")
            with db.session_scope("t") as session:
                sample = JudgedSample(model="echo", share=1.0, rubric=payload)
                save_operations(session, "plain", Operations(judged=sample))
            with db.read_scope() as session:
                work = judging.work_of(session, db, need_app(session, "plain"), utcnow())
            async with Connections(db.settings.data) as connections:
                judged = work and await judging.ask(connections, work)
            _check(trap, f"{called} {again.body.decode()} {judged}", tmp_path)
    assert answered >= 5, "the payloads of the others were refused before they answered"


def _check(trap: Trap, shown: str, folder: Path) -> None:
    """`Trap.check`, with the folders that this test made itself."""
    assert trap.secret not in shown
    assert "root:" not in shown
    assert {path.name for path in folder.iterdir()} <= {"secret.txt", "data", "in"}


@pytest.mark.parametrize(
    "front",
    [
        "name: x\nlc: 1\ntype: constructor\nid: [langchain, prompts, PromptTemplate]",
        "name: x\n__class__: os.system\n__reduce__: [os.system, [id]]",
        "name: ../../etc/passwd",
        "name: '{bad}'",
        "name: x\ntemplate: ../../etc/passwd",
        "name: x\ntemplate: {format: mustache}",
        "name: ${file:/etc/passwd}",
        "name: x\ndescription: ${env:HOME}",
        "name: x\nmodel: {id: '${env:PROMPTSTONE_TEST_CANARY}'}",
        "name: !!python/object/apply:os.system [id]",
        "name: !!python/name:os.environ",
        "name: x\ninputs: !!python/object:object {}",
    ],
)
def test_an_import_reads_no_file_and_revives_no_object(
    tmp_path: Path, trap: Trap, front: str
) -> None:
    file = tmp_path / "in.prompty"
    file.write_text(f"---\n{front}\n---\nuser:\nhello\n")
    data = ["--data-dir", str(tmp_path / "data")]
    done = CliRunner().invoke(app, [*data, "prompt", "push", str(file)])
    listed = CliRunner().invoke(app, [*data, "prompt", "list", "--json"])
    for shown in (done.output + str(done.exception), listed.output):
        assert trap.secret not in shown
        assert "root:" not in shown
        assert "uid=" not in shown
    names = [prompt["name"] for prompt in json.loads(listed.stdout)["prompts"]]
    assert all(".." not in name.split("/") and "{" not in name for name in names)


def test_the_content_of_a_prompt_is_a_form_not_an_object() -> None:
    """The control: what the renderer is given was checked to be plain before."""
    with pytest.raises(ValueError, match="Extra inputs"):
        PromptContent.model_validate({"messages": [], "lc": 1})
    with pytest.raises(ValueError, match="Extra inputs"):
        MessageTemplate.model_validate({"role": "user", "content": "x", "template_file": "/etc"})
