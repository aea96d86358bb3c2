"""promptfoo's configurations and results, taken over."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlmodel import select

from core.database import Database
from core.errors import Invalid, TooLarge
from core.workspace_settings import get_setting
from evalsets.datasets import service as datasets
from evalsets.datasets.cases import iter_cases
from evalsets.evaluators.checks import Check, Checks, case_checks
from evalsets.evaluators.specs import load_evaluator
from evalsets.evaluators.subjects import Subject
from evalsets.foreign.arrival import Arrival
from evalsets.foreign.folder import Folder, Given
from evalsets.foreign.promptfoo.assert_text import from_text
from evalsets.foreign.promptfoo.config import read_promptfoo
from evalsets.foreign.promptfoo.export import _assert, export_promptfoo
from evalsets.foreign.taking import Taken, ready, take
from evalsets.models import Dataset, Run
from evalsets.runs.report import run_json
from prompts.content import Variable
from prompts.mocks import ToolMock
from prompts.models import Prompt
from prompts.service import get
from tests.support.running import add_prompt

ACTOR = "cli:tester"


def config(**fields: Any) -> bytes:
    return yaml.safe_dump(fields).encode()


def read(data: bytes, files: dict[str, str] | None = None, name: str = "pf.yaml") -> Arrival:
    given = {path: text.encode() for path, text in (files or {}).items()}
    return read_promptfoo(name, data, Given(given))


def stored(db: Database, arrival: Arrival) -> Taken:
    prepared = ready(arrival)
    with db.session_scope(ACTOR) as session:
        return take(session, prepared)


def reasons(arrival: Arrival) -> dict[str, str]:
    return {one.what: one.reason for one in arrival.not_taken}


def one_case(asserts: list[dict[str, Any]], **more: Any) -> Arrival:
    tests = [{"vars": {"q": "x"}, "assert": asserts, **more}, {"vars": {"q": "y"}}]
    return read(config(prompts=["{{q}}"], tests=tests))


def test_a_whole_configuration_stands_here_and_a_second_import_makes_nothing_new(
    db: Database,
) -> None:
    files = {
        "chat.json": '[{"role":"system","content":"Be {{ tone }}."},{"role":"user","content":"{{q}}"}]',
        "more.txt": "First {{q}}\n---\nSecond {{q}}\n",
        "rows.csv": "q,__expected,__description\nhello,contains:ell,greets\nbye,contains:by,leaves\n",
    }
    data = config(
        description="News topics",
        prompts=["Topic of {{ q }}?", "file://chat.json", "file://more.txt"],
        providers=[
            "openai:gpt-4o-mini",
            {"id": "openai:chat:gpt-4o", "label": "cold", "config": {"temperature": 0}},
            {"id": "anthropic:messages:claude-x", "config": {"max_tokens": 9}},
        ],
        defaultTest={"vars": {"tone": ["calm", "loud"]},
                     "assert": [{"type": "icontains", "value": "e"}]},
        tests="file://rows.csv",
    )  # fmt: skip
    first = stored(db, read(data, files))
    assert [one.name for one in first.prompts] == [
        "News-topics/prompt", "News-topics/chat", "News-topics/more", "News-topics/more-2"
    ]  # fmt: skip
    assert [(one.name, one.cases) for one in first.datasets] == [("News-topics", 4)]
    assert [(one.name, one.api_key_env) for one in first.models] == [
        ("gpt-4o-mini", "OPENAI_API_KEY"), ("cold", "OPENAI_API_KEY"),
        ("claude-x", "ANTHROPIC_API_KEY"),
    ]  # fmt: skip
    assert {one.name for one in first.evaluators} == {
        "News-topics.contains",
        "News-topics.contains-2",
    }
    again = stored(db, read(data, files))
    assert not any(one.created for one in (*again.prompts, *again.datasets, *again.models))
    assert {one.state for one in again.evaluators} == {"unchanged"}


def test_what_has_no_place_is_listed_with_place_and_reason() -> None:
    arrival = read(
        config(
            prompts=["exec:make.sh", "prompts.py:one", "langfuse://x", "{% include 'a' %}", "ok {{q}}"],
            providers=["python:p.py", "openai:embedding:e", "bedrock:m", "https://x"],
            tests=[{"vars": {"q": "a"}, "options": {"transform": "x"}, "assert": [
                {"type": "javascript", "value": "1"}, {"type": "python", "value": "1"},
                {"type": "gleu", "value": "x", "threshold": 0.8},
                {"type": "contains", "value": "{{ q | upper }}"},
            ]}],
            env={"OPENAI_API_KEY": "sk-canary"}, outputPath="x.csv",
        )
    )  # fmt: skip
    assert len(arrival.prompts) == 1
    assert not arrival.models
    found = reasons(arrival)
    for what in ("the assertion javascript", "the assertion python", "the assertion gleu",
                 "the assertion contains", "`env` of the configuration",
                 "the option `transform` of a test", "bedrock:m"):  # fmt: skip
        assert found[what].rstrip().endswith(".")
    assert {one.where for one in arrival.not_taken} >= {"prompts[0]", "tests[0].assert[3]", "env"}
    assert "sk-canary" not in repr(arrival)


def test_a_key_in_a_file_is_not_taken_and_its_variable_is_named(sqlite_db: Database) -> None:
    provider = {"id": "openai:gpt-4o", "config": {"apiKey": "sk-canary-1", "apiKeyEnvar": "MY_KEY"}}
    arrival = read(config(prompts=["x"], providers=[provider]))
    assert "MY_KEY" in reasons(arrival)["a key"]
    taken = stored(sqlite_db, arrival)
    assert taken.models[0].api_key_env == "MY_KEY"
    assert "sk-canary" not in repr(arrival) + repr(taken)


@pytest.mark.parametrize(
    "path", ["../secret.txt", "/etc/passwd", "sub/../../secret.txt", "link.txt", "link/secret.txt",
             "..\\secret.txt", "~/secret.txt"],
)  # fmt: skip
def test_nothing_outside_of_the_folder_is_read(tmp_path: Path, path: str) -> None:
    inside, outside = tmp_path / "in", tmp_path / "secret.txt"
    inside.mkdir()
    outside.write_text("canary-text")
    (inside / "link.txt").symlink_to(outside)
    (inside / "link").symlink_to(tmp_path)
    (inside / "own.txt").write_text("canary-text")
    data = config(
        prompts=[f"file://{path}", "file://own.txt"], tests=[{"vars": {"q": f"file://{path}"}}]
    )
    arrival = read_promptfoo("pf.yaml", data, Folder(inside))
    assert [one.content.messages[0].content for one in arrival.prompts] == ["canary-text"]
    assert not arrival.datasets
    assert all("folder" in one.reason for one in arrival.not_taken)


def test_bombs_and_wrong_yaml_are_refused_with_their_line() -> None:
    lists = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
    with pytest.raises(TooLarge, match="behind aliases"):
        read(f"a0: &a0 [x, x]\n{lists}prompts: [x]\n".encode())
    with pytest.raises(Invalid, match="nested deeper"):
        read(b"prompts: " + b"[" * 5000)
    with pytest.raises(Invalid, match="line 2"):
        read(b"prompts: [x]\n  bad: : y\n")
    with pytest.raises(Invalid, match="neither prompts nor tests"):
        read(b"name: x\n")
    tagged = read(b"prompts: [x]\ntests: [{vars: {q: !!python/object/apply:os.system [id]}}]\n")
    assert tagged.prompts
    assert not tagged.runs


def test_shared_assertions_are_evaluators_and_others_stand_in_their_cases() -> None:
    shared = {"type": "contains", "value": "<sql>", "metric": "has sql"}
    arrival = read(config(
        prompts=["{{q}}"], defaultTest={"assert": [shared, {"type": "latency", "threshold": 900}]},
        tests=[
            {"vars": {"q": "a"}, "assert": [{"type": "contains-any", "value": "x, y"},
                                            {"type": "not-regex", "value": "z+"}]},
            {"vars": {"q": "b"}},
        ],
    ))  # fmt: skip
    kinds = {str(one.name).removeprefix("pf."): one.kind for one in arrival.evaluators}
    assert kinds == {"has sql": "contains", "latency": "latency", "checks": "checks"}
    first, second = arrival.datasets[0].parsed.cases
    assert first.inputs["checks"] == [
        {"type": "contains-any", "value": ["x", "y"]}, {"type": "not-regex", "value": "z+"}
    ]  # fmt: skip
    assert "checks" not in second.inputs


def test_weights_and_thresholds_hold_as_promptfoo_counts_them() -> None:
    asserts = [{"type": "contains", "value": "a", "weight": 3}, {"type": "contains", "value": "b"}]
    arrival = one_case(asserts, threshold=0.7)
    case = arrival.datasets[0].parsed.cases[0]
    evaluator = Checks()
    assert evaluator.score(Subject("a only", case.inputs)).value == 1.0
    assert evaluator.score(Subject("b only", case.inputs)).value == 0.0
    share = Checks(give="share")
    assert share.score(Subject("b only", case.inputs)).value == pytest.approx(0.25)
    assert evaluator.score(Subject("x", {})).value is None


def test_values_name_variables_in_any_script_and_count_words_in_text() -> None:
    asserts = [{"type": "contains-all", "value": ["{{名字}}", "x"]},
               {"type": "word-count", "value": " 3 "}]  # fmt: skip
    arrival = one_case(asserts, vars={"名字": "小明"})
    assert arrival.not_taken == []
    assert arrival.datasets[0].parsed.cases[0].inputs["checks"] == [
        {"type": "contains-all", "value": ["小明", "x"]}, {"type": "word-count", "value": 3},
    ]  # fmt: skip


def test_an_export_says_what_promptfoo_has_no_place_for(sqlite_db: Database) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    mocks = (ToolMock(tool="f", result="clear"),)
    history = Variable(name="topic", kind="thread")
    add_prompt(sqlite_db, "t", "{{ topic }}", variables=(history,), tools=(tool,), mocks=mocks)
    with sqlite_db.read_scope() as session:
        made = export_promptfoo([get(session, "t")])
    assert [one.what for one in made.left] == [
        "the messages topic", "the mocked results of its tools",
    ]  # fmt: skip


RULES = [
    ({"type": "equals", "value": "a"}, "a", "a "),
    ({"type": "equals", "value": {"n": [1]}}, '{"n": [1]}', '{"n": [2]}'),
    ({"type": "not-equals", "value": "a"}, "b", "a"),
    ({"type": "icontains", "value": "ÄB"}, "x äb", "x"),
    ({"type": "contains-all", "value": ["a", 1]}, "a1", "a"),
    ({"type": "icontains-any", "value": ["A", "B"]}, "b", "c"),
    ({"type": "icontains-all", "value": ["A", "B"]}, "ab", "a"),
    ({"type": "starts-with", "value": "ab"}, "abc", "cab"),
    ({"type": "regex", "value": r"\d{2}"}, "a12", "a1"),
    ({"type": "is-json"}, "[1]", "[1"),
    ({"type": "is-json", "value": {"type": "object", "required": ["a"]}}, '{"a":1}', "{}"),
    ({"type": "not-is-json"}, "no", "{}"),
    ({"type": "word-count", "value": {"min": 2, "max": 3}}, "a b", "a"),
    ({"type": "word-count", "value": 1}, "a", "a b"),
    ({"type": "rouge-n", "value": "a b c", "threshold": 0.5}, "a b", "x y"),
    ({"type": "bleu", "value": ["a b c d", "w x y z"]}, "w x y z", "a x c z"),
]


@pytest.mark.parametrize(("rule", "good", "bad"), RULES)
def test_every_check_holds_and_fails(rule: dict[str, Any], good: str, bad: str) -> None:
    check = Check.model_validate(rule)
    assert check.outcome(Subject(good)).holds is True
    assert check.outcome(Subject(bad)).holds is False


def test_checks_of_measures_and_of_wrong_columns() -> None:
    slow = Check(type="latency", threshold=100)
    assert slow.outcome(Subject("", latency_ms=99)).holds
    assert not slow.outcome(Subject("", latency_ms=101)).holds
    assert slow.outcome(Subject("")).holds is None
    dear = Check(type="cost", threshold=0.1)
    assert dear.outcome(Subject("", cost=Decimal("0.1"))).holds
    assert dear.outcome(Subject("")).holds is None
    assert len(case_checks('[{"type":"contains","value":"a"}]').checks) == 1
    for wrong in (
        "{",
        '[{"type":"nope"}]',
        [{"type": "latency"}],
        [{"type": "regex", "value": "("}],
    ):
        assert Checks().score(Subject("x", {"checks": wrong})).value is None


@pytest.mark.parametrize(
    ("cell", "made"),
    [
        ("yes", {"type": "equals", "value": "yes"}),
        ("not-icontains: a:b", {"type": "not-icontains", "value": "a:b"}),
        ("latency(500)", {"type": "latency", "threshold": 500.0}),
        ("python:file://x.py", {"type": "python", "value": "file://x.py"}),
        ("grade: is polite", {"type": "llm-rubric", "value": "is polite"}),
        ("contains-all:a, b", {"type": "contains-all", "value": "a, b"}),
        ("similar(0.8):hello", {"type": "similar", "value": "hello", "threshold": 0.8}),
        ("is-json", {"type": "is-json"}),
    ],
)
def test_assertions_in_cells_of_csv(cell: str, made: dict[str, Any]) -> None:
    assert from_text(cell) == made


def test_comparisons_become_evaluators_and_go_back() -> None:
    kinds = [("similar", 0.8), ("rouge-n", 0.5), ("bleu", None)]
    given = [{"type": kind, "value": "a cup of tea", "threshold": at} for kind, at in kinds]
    arrival = read(config(
        prompts=["{{q}}"], providers=["openai:gpt-4o"], tests=[{"vars": {"q": "a"}}, {"vars": {"q": "b"}}],
        defaultTest={"assert": [{k: v for k, v in one.items() if v is not None} for one in given]},
    ))  # fmt: skip
    made = {one.kind: one for one in arrival.evaluators}
    assert {kind: getattr(one, "threshold", None) for kind, one in made.items()} == {
        "similarity": 0.8, "rouge": 0.5, "bleu": 0.5,
    }  # fmt: skip
    assert [_assert(made[kind]) for kind in ("similarity", "rouge", "bleu")] == [
        {**given[0]}, {**given[1]}, {**given[2], "threshold": 0.5},
    ]  # fmt: skip


def test_rubrics_become_judges() -> None:
    shared = read(config(
        prompts=["{{q}}"], providers=["openai:gpt-4o"], tests=[{"vars": {"q": "a"}}, {"vars": {"q": "b"}}],
        defaultTest={"assert": [{"type": "llm-rubric", "value": "Is polite", "provider": "openai:gpt-4o"}]},
    ))  # fmt: skip
    judge = shared.evaluators[0]
    assert judge.kind == "judge"
    assert judge.rubric == "Is polite"
    assert judge.model == "gpt-4o"
    own = read(config(prompts=["{{q}}"], tests=[
        {"vars": {"q": "a"}, "assert": [{"type": "llm-rubric", "value": "Names {{q}}"}]},
        {"vars": {"q": "b"}, "assert": [{"type": "llm-rubric", "value": "Names {{q}}"}]},
    ]))  # fmt: skip
    assert [case.inputs["rubric"] for case in own.datasets[0].parsed.cases] == [
        "Names a",
        "Names b",
    ]
    assert [one.name for one in own.prompts] == ["pf/prompt", "pf/rubric"]
    ready(own)
    assert [one.name for one in own.prompts] == ["pf/prompt", "pf/rubric"]


def test_scenarios_and_lists_make_combinations() -> None:
    arrival = read(config(
        prompts=["{{a}}{{b}}"],
        scenarios=[{"config": [{"vars": {"a": "1"}}, {"vars": {"a": "2"}}],
                    "tests": [{"description": "t", "vars": {"b": ["x", "y"]}}]}],
    ))  # fmt: skip
    cases = arrival.datasets[0].parsed.cases
    assert [(c.inputs["a"], c.inputs["b"]) for c in cases] == [
        ("1", "x"), ("1", "y"), ("2", "x"), ("2", "y")
    ]  # fmt: skip
    assert [c.case_id for c in cases] == ["t", "t (2)", "t (3)", "t (4)"]


def results(**row: Any) -> dict[str, Any]:
    part = {
        "pass": True,
        "score": 1,
        "reason": "ok",
        "assertion": {"type": "contains", "value": "a"},
    }
    base = {
        "promptIdx": 0, "testIdx": 0, "success": True, "score": 1, "latencyMs": 120, "cost": 0.002,
        "prompt": {"raw": "Topic of a?", "label": "topic"}, "provider": {"id": "openai:gpt-4o"},
        "vars": {"q": "a"}, "testCase": {"description": "first"}, "failureReason": 0,
        "response": {"output": "answer a", "tokenUsage": {"prompt": 7, "completion": 3}},
        "gradingResult": {"pass": True, "score": 1, "reason": "all", "componentResults": [part]},
    }  # fmt: skip
    return {**base, **row}


def test_results_are_a_run_with_scores_and_figures(db: Database) -> None:
    rows = [
        results(),
        results(
            promptIdx=1, success=False, provider={"id": "openai:b"}, response={"output": {"x": 1}}
        ),
        results(testIdx=1, vars={"q": "b"}, response={"error": "429"}, failureReason=2),
        results(),
    ]
    for version in (2, 3):
        document = {"evalId": f"eval-{version}", "results": {"version": version, "results": rows,
                    "stats": {}}, "config": {"description": f"News {version}"}}  # fmt: skip
        data = json.dumps(document).encode()
        taken = stored(db, read(data, name="results.json"))
        again = stored(db, read(data, name="results.json"))
        assert again.runs[0].id == taken.runs[0].id
        assert not again.runs[0].created
        with db.read_scope() as session:
            run = run_json(session, taken.runs[0].id)
        assert run["cells"] == {"total": 4, "succeeded": 3, "failed": 1, "pending": 0}
        arm = run["arms"][0]
        assert arm["arm"] == "topic | openai:gpt-4o"
        assert arm["scores"]["contains"]["n"] == 2
        assert arm["latency_ms"]["p50"] == 120
        assert run["tokens"] == {"input": 14, "output": 6}


def test_of_a_file_that_cannot_be_stored_nothing_is(db: Database) -> None:
    arrival = read(config(description="whole", prompts=["{{q}}"], tests=[{"vars": {"q": "a"}}]))
    run = read(
        json.dumps({"results": {"results": [results()], "stats": {}}}).encode(), name="whole.json"
    )
    arrival.runs = [run.runs[0]._replace(name="whole")]
    with pytest.raises(Exception, match="name of a data set"):
        stored(db, arrival)
    with db.read_scope() as session:
        assert session.exec(select(Prompt)).first() is None
        assert session.exec(select(Dataset)).first() is None
        assert session.exec(select(Run)).first() is None
        assert get_setting(session, "evaluators") is None


def test_what_is_exported_comes_back_as_it_was(db: Database) -> None:
    data = config(
        description="Round trip", providers=["openai:chat:gpt-4o"],
        prompts=[{"label": "chat", "raw": json.dumps([
            {"role": "system", "content": "Be {{ tone }}."}, {"role": "user", "content": "{{q}}"}]),
            "config": {"temperature": 0.2, "model": "gpt-4o"}}],
        defaultTest={"assert": [{"type": "is-json"}, {"type": "latency", "threshold": 800},
                                {"type": "llm-rubric", "value": "Is polite"}]},
        tests=[
            {"description": "first", "vars": {"q": "a", "tone": "calm", "list": ["x", "y"]},
             "options": {"disableVarExpansion": True}, "metadata": {"tags": ["t"], "split": "test"},
             "assert": [{"type": "contains", "value": "a", "weight": 1},
                        {"type": "not-equals", "value": "b"}]},
            {"vars": {"q": "b", "tone": "loud", "n": 3}},
        ],
    )  # fmt: skip
    stored(db, read(data))
    with db.read_scope() as session:
        prompt = get(session, "Round-trip/chat")
        version = datasets.get(session, "Round-trip")
        cases = list(iter_cases(session, version.version_id))
        saved = get_setting(session, "evaluators")
    evaluators = [
        load_evaluator({**one, "name": one["name"].removeprefix("Round-trip.")})
        for one in saved.values()
    ]
    made = export_promptfoo([prompt], cases, evaluators, title="Round-trip")
    assert not made.left
    again = stored(db, read(made.text.encode()))
    assert not any(one.created for one in (*again.prompts, *again.datasets, *again.models))
    assert {one.state for one in again.evaluators} == {"unchanged"}
    assert len(again.evaluators) == 4
    assert not again.not_taken


def test_results_of_odd_shapes_are_listed_or_taken_and_never_break() -> None:
    rows = [
        1, "x", {}, None, results(response=None), results(vars=None, testCase=None),
        results(gradingResult={"componentResults": [None, {"assertion": 1}]}),
        results(latencyMs="x", cost=-1, provider="openai:x", prompt="p"),
        results(vars={"q": "\ud800"}), results(vars={"q": 2**70}),
    ]  # fmt: skip
    data = json.dumps({"results": {"version": 3, "results": rows, "stats": {}}}).encode()
    arrival = read(data, name="r.json")
    assert len(arrival.runs[0].found.outputs) == 4
    assert len(arrival.not_taken) >= 1
    ready(arrival)
    with pytest.raises(Invalid, match="NaN"):
        read(b'{"results": {"results": [{"vars": {"q": NaN}}], "stats": {}}}', name="r.json")


def test_named_scores_of_no_assertion_are_listed() -> None:
    part = {"assertion": {"type": "contains", "metric": "tone"}, "score": 1, "reason": "ok"}
    row = results(gradingResult={"componentResults": [part]}, namedScores={"tone": 1, "depth": 0.5})
    data = json.dumps({"results": {"version": 3, "results": [row], "stats": {}}}).encode()
    (left,) = read(data, name="r.json").not_taken
    assert left.what == "the named scores depth"


COOKBOOK = Path(__file__).resolve().parents[3] / "shared" / "data" / "prompts_promptfoo_cookbook"


@pytest.mark.skipif(not COOKBOOK.is_dir(), reason="the data is not here")
def test_all_real_configurations(sqlite_db: Database) -> None:
    found: dict[str, tuple[int, int, int]] = {}
    for file in sorted(COOKBOOK.rglob("promptfooconfig*.yaml")):
        arrival = read_promptfoo(str(file), file.read_bytes(), Folder(file.parent))
        taken = stored(sqlite_db, arrival)
        cases = sum(one.cases for one in taken.datasets)
        place = f"{file.parent.parent.name}/{file.stem}"
        found[place] = (len(taken.prompts), cases, len(taken.not_taken))
        assert all(one.where and one.reason.endswith(".") for one in taken.not_taken)
    assert found == {
        "classification/promptfooconfig": (0, 0, 5),
        "retrieval_augmented_generation/promptfooconfig_end_to_end": (0, 100, 5),
        "retrieval_augmented_generation/promptfooconfig_retrieval": (1, 100, 4),
        "summarization/promptfooconfig": (0, 0, 14),
        "text_to_sql/promptfooconfig": (0, 7, 5),
    }
