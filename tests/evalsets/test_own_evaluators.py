"""Evaluators of the administrator's folder: what they give, what stops them, what they may not do."""

import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.database import Database
from core.errors import NotFound
from evalsets.evaluators import own
from evalsets.evaluators.own import Python
from evalsets.evaluators.own_files import own_files, use_folder
from evalsets.evaluators.own_process import OwnProcess
from evalsets.evaluators.specs import parse_evaluator
from evalsets.evaluators.subjects import Score, Subject
from evalsets.runs.evaluation import freeze_evaluators


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[Path]:
    use_folder(tmp_path)
    yield tmp_path
    for process in own._processes.values():
        process.close()
    own._processes.clear()


def score(body: str, case: dict[str, object] | None = None, seconds: int = 2) -> Score:
    """What `score` with this body says of an output "yes"."""
    source = "def score(output, case):\n" + textwrap.indent(textwrap.dedent(body), "    ")
    process = OwnProcess(source, seconds)
    try:
        return process.score({"output": "yes", "expected": "yes", **(case or {})})  # type: ignore[dict-item]
    finally:
        process.close()


def test_a_file_scores_and_is_listed(folder: Path) -> None:
    (folder / "polite.py").write_text(
        '"""Whether it says please."""\nimport json, re\n'
        "def score(output, case):\n    print('lost')\n"
        "    return 'please' in output, f\"case {case['inputs']['q']}\"\n"
    )
    (folder / "not a name.py").write_text("")
    (one,) = own_files()
    assert (one.name, one.about) == ("polite", "Whether it says please.")
    evaluator = parse_evaluator("python:polite")
    assert isinstance(evaluator, Python)
    assert evaluator.score(Subject("please", {"q": 7})) == Score(1.0, "case 7")
    assert evaluator.score(Subject("no", {"q": "中文"})) == Score(0.0, "case 中文")


def test_what_it_may_return() -> None:
    assert score("return 0.25") == Score(0.25, "")
    assert score("return output == case['expected']").value == 1
    assert score("return {'score': 3, 'reason': 'three'}") == Score(3, "three")
    assert score("return None").value is None
    assert "no score" in score("return 'good'").reason
    assert score("return float('nan')").value is None


def test_what_goes_wrong_is_a_sentence() -> None:
    assert (
        score("x = 1\nreturn 1 / 0").reason
        == "it failed, line 3: ZeroDivisionError: division by zero"
    )
    assert "SystemExit" in score("import sys; sys.exit(3)").reason
    assert "its process ended" in score("import os; os._exit(3)").reason
    assert score("return x y").reason.startswith("it failed, line 2: SyntaxError")
    process = OwnProcess("a = 1")
    assert "no function score" in process.score({"output": "x"}).reason
    process.close()


def test_endless_work_and_endless_memory_are_stopped() -> None:
    assert "ended" in score("while True: pass", seconds=1).reason
    assert "memory" in score("return len(bytearray(4 << 30))").reason


def test_a_process_that_was_stopped_starts_anew() -> None:
    process = OwnProcess("def score(output, case):\n while output == 'hang': pass\n return 1", 1)
    assert process.score({"output": "fine"}).value == 1
    assert process.score({"output": "hang"}).value is None
    assert process.score({"output": "fine"}).value == 1
    process.close()


REACHES = """
import socket
with socket.create_connection(("127.0.0.1", {port}), timeout=2): pass
return 1
"""


def test_it_reaches_no_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        body = REACHES.format(port=listening.getsockname()[1])
        # the control: the same lines reach it where nothing confines them
        lines = body.replace("return 1", "")
        assert subprocess.run([sys.executable, "-c", lines], check=False).returncode == 0
        found = score(body)
    assert found.value is None
    assert "PermissionError" in found.reason


def test_it_has_a_network_of_its_own_where_the_system_allows() -> None:
    probe = "from rag.parsing import confine; import sys; sys.exit(not confine.leave_network())"
    if subprocess.run([sys.executable, "-c", probe], check=False).returncode:
        pytest.skip("no namespaces here")
    inside = score("import os; return 1, os.readlink('/proc/self/ns/net')").reason
    assert inside != str(Path("/proc/self/ns/net").readlink())


def test_it_writes_nothing_and_starts_nothing(folder: Path) -> None:
    place = folder / "made"
    folder.chmod(0o777)
    body = f"open({str(place)!r}, 'w').write('x')"
    assert subprocess.run([sys.executable, "-c", body], check=False).returncode == 0
    place.unlink()
    assert "writes no files" in score(body).reason
    assert not place.exists()
    assert "refused" in score("import subprocess; subprocess.run(['true']); return 1").reason
    assert "refused" in score("import os; os.system('true'); return 1").reason


def test_keys_of_the_environment_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    assert "sk-canary" not in score("import os; return 1, str(dict(os.environ))").reason


def test_a_run_freezes_the_file_it_began_with(folder: Path, sqlite_db: Database) -> None:
    (folder / "a.py").write_text("def score(output, case): return 1")
    with sqlite_db.read_scope() as session:
        (frozen,) = freeze_evaluators(session, ["python:a"], [])
        with pytest.raises(NotFound, match=r"no evaluator b\.py"):
            freeze_evaluators(session, ["python:b"], [])
        with pytest.raises(NotFound):
            freeze_evaluators(session, [{"kind": "python", "file": "../a"}], [])
    evaluator = Python.model_validate(frozen.spec)
    assert evaluator.score(Subject("x")).value == 1
    (folder / "a.py").write_text("def score(output, case): return 0")
    assert "has changed" in evaluator.score(Subject("x")).reason
    assert Python(file="a").score(Subject("x")).value == 0
