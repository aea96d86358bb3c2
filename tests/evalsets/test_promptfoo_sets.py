"""Sets of assertions, their thresholds and templates, and the files that assertions name."""

from typing import Any

import pytest

from core.database import Database
from evalsets.datasets import service as datasets
from evalsets.datasets.cases import iter_cases
from evalsets.evaluators.checks import Checks, CheckSet, case_checks
from evalsets.evaluators.subjects import Subject
from evalsets.foreign.promptfoo.export import export_promptfoo
from prompts.service import get
from tests.evalsets.test_promptfoo import config, one_case, read, reasons, stored

A = {"type": "contains", "value": "a"}
B = {"type": "contains", "value": "b"}


def score(
    asserts: list[dict[str, Any]], output: str, give: Any = "pass", **more: Any
) -> float | None:
    arrival = one_case(asserts, **more)
    assert not arrival.not_taken
    return (
        Checks(give=give).score(Subject(output, arrival.datasets[0].parsed.cases[0].inputs)).value
    )


# What promptfoo 0.121 answers for these, run with its `echo` provider.
@pytest.mark.parametrize(
    ("asserts", "more", "output", "passes", "mean"),
    [
        ([{"type": "assert-set", "threshold": 0.5, "assert": [A, B]}], {}, "a", 1.0, 0.5),
        ([{"type": "assert-set", "threshold": 0.6, "assert": [A, B]}], {}, "a", 0.0, 0.5),
        ([{"type": "assert-set", "weight": 3, "assert": [A, B]}, A], {}, "a", 0.0, 0.625),
        ([{"type": "assert-set", "weight": 0, "assert": [B]}, A], {}, "a", 0.0, 1.0),
        ([{"type": "assert-set", "assert": [A, B]}, A], {"threshold": 0.75}, "a", 1.0, 0.75),
        ([{"type": "assert-set", "assert": [{**A, "weight": 3}, B], "threshold": 0.7}], {}, "a", 1.0, 0.75),
        ([{**A, "weight": 0}, {**B, "weight": 0}], {"threshold": 0.5}, "ab", 0.0, 0.0),
        ([{"type": "rouge-n", "value": "a b c d", "threshold": 0.9}, A], {"threshold": 0.7}, "a b c", 1.0, 0.9285714),
        ([{"type": "not-rouge-n", "value": "a b c d", "threshold": 0.9}], {"threshold": 0.1}, "a b c", 1.0, 1 / 7),
    ],
)  # fmt: skip
def test_sets_and_figures_count_as_promptfoo_counts_them(
    asserts: list[dict[str, Any]], more: Any, output: str, passes: float, mean: float
) -> None:
    assert score(asserts, output, **more) == passes
    assert score(asserts, output, "share", **more) == pytest.approx(mean, abs=1e-6)


def test_a_set_without_a_threshold_is_its_parts() -> None:
    both = {"defaultTest": {"assert": [{"type": "assert-set", "assert": [A, B]}]}}
    arrival = read(
        config(prompts=["{{q}}"], tests=[{"vars": {"q": "1"}}, {"vars": {"q": "2"}}], **both)
    )
    assert [one.kind for one in arrival.evaluators] == ["contains", "contains"]


def test_of_a_set_whose_threshold_counts_what_is_not_taken_nothing_is() -> None:
    for inner in ({"type": "javascript", "value": "1"}, {"type": "llm-rubric", "value": "kind"}):
        arrival = one_case([{"type": "assert-set", "threshold": 0.5, "assert": [A, inner]}])
        assert "an assert-set with a threshold" in reasons(arrival)
        assert not arrival.evaluators
    without = one_case([{"type": "assert-set", "assert": [A, {"type": "python", "value": "1"}]}])
    assert [one.kind for one in without.evaluators] == ["contains"]
    assert "the assertion python" in reasons(without)


def test_a_threshold_over_what_is_not_counted_is_told() -> None:
    arrival = one_case([A, {"type": "javascript", "value": "1"}], threshold=0.5)
    assert "what the threshold of a test counts" in reasons(arrival)


def test_templates_are_looked_up_and_sets_in_sets_refused() -> None:
    inner = [{"$ref": "#/assertionTemplates/has"}, {"$ref": "#/assertionTemplates/none"},
             {"type": "assert-set", "assert": [B]}]  # fmt: skip
    arrival = read(config(
        prompts=["{{q}}"], assertionTemplates={"has": A},
        tests=[{"vars": {"q": "1"}, "assert": [{"type": "assert-set", "assert": inner}]}],
    ))  # fmt: skip
    assert [one.kind for one in arrival.evaluators] == ["contains"]
    assert {"the assertion #/assertionTemplates/none", "a set in an assert-set"} <= reasons(
        arrival
    ).keys()


def test_values_of_assertions_come_from_files_of_the_folder_alone() -> None:
    files = {"want.txt": "a cup\n", "schema.json": '{"title": "T"}', "list.yaml": "[x, y]"}
    kinds = [("contains", "want.txt"), ("is-json", "schema.json"), ("contains-any", "list.yaml"),
             ("equals", "../secret.txt"), ("equals", "make.py")]  # fmt: skip
    asserts = [{"type": kind, "value": f"file://{path}"} for kind, path in kinds]
    arrival = read(
        config(prompts=["{{q}}"], tests=[{"vars": {"q": "1"}, "assert": asserts}]), files
    )
    assert {one.kind: getattr(one, "value", None) for one in arrival.evaluators} == {
        "contains": "a cup", "json_schema": None, "checks": None,
    }  # fmt: skip
    assert "['x', 'y']" in repr(arrival.datasets[0].parsed.cases[0].inputs)
    refused = {one.where: one.reason for one in arrival.not_taken}
    assert "leads out" in refused["tests[0].assert[3]"]
    assert "program" in refused["tests[0].assert[4]"]


def test_the_grader_of_a_test_asks_its_rubrics() -> None:
    rubric = {"type": "llm-rubric", "value": "kind"}
    arrival = read(config(
        prompts=["{{q}}"], providers=["openai:gpt-4o"],
        defaultTest={"assert": [rubric], "options": {"provider": "openai:gpt-4o"}},
        tests=[{"vars": {"q": "1"}}],
    ))  # fmt: skip
    judge = arrival.evaluators[0]
    assert judge.kind == "judge"
    assert judge.model == "gpt-4o"
    assert not arrival.not_taken


def test_sets_in_columns_are_read_and_wrong_ones_named() -> None:
    found = case_checks(
        '[{"type":"assert-set","threshold":0.5,"assert":[{"type":"contains","value":"a"}]}]'
    )
    assert isinstance(found.checks[0], CheckSet)
    for wrong, said in (
        ([{"type": "assert-set", "assert": []}], "at least 1"),
        ([{"type": "assert-set", "assert": [{"type": "nope"}]}], "no check"),
    ):
        with pytest.raises(ValueError, match=said):
            case_checks(wrong)  # type: ignore[arg-type]


def test_sets_go_back_as_they_came(sqlite_db: Database) -> None:
    asserts = [
        {"type": "assert-set", "threshold": 0.5, "weight": 2.0, "metric": "m", "assert": [A, B]}
    ]
    data = config(description="Sets", prompts=[{"label": "p", "raw": "{{q}}"}], tests=[
        {"description": "one", "vars": {"q": "1"}, "assert": asserts}])  # fmt: skip
    taken = stored(sqlite_db, read(data))
    assert not taken.not_taken
    with sqlite_db.read_scope() as session:
        version = datasets.get(session, "Sets")
        cases = list(iter_cases(session, version.version_id))
        made = export_promptfoo([get(session, "Sets/p")], cases, [Checks()], title="Sets")
    again = stored(sqlite_db, read(made.text.encode()))
    assert not any(one.created for one in again.datasets)
