"""OpenAI's evals, runs, outputs and items, taken over before they end."""

import json
from typing import Any

import pytest

from core.database import Database
from core.errors import Invalid
from evalsets.evaluators.subjects import Subject
from evalsets.foreign.openai_evals import read_openai
from evalsets.foreign.taking import ready, take
from evalsets.runs.report import run_json

ACTOR = "cli:tester"
EVAL: dict[str, Any] = {
    "object": "eval", "id": "eval_1", "name": "IT tickets",
    "data_source_config": {"type": "custom", "schema": {}},
    "testing_criteria": [
        {"type": "string_check", "name": "Match", "input": "{{ sample.output_text }}",
         "reference": "{{ item.label }}", "operation": "eq"},
        {"type": "string_check", "name": "Not sorry", "input": "{{sample.output_text}}",
         "reference": "sorry {{item.q}}", "operation": "ne"},
        {"type": "text_similarity", "name": "Near", "input": "{{sample.output_text}}",
         "reference": "{{item.label}}", "evaluation_metric": "fuzzy_match"},
        {"type": "label_model", "name": "Tone", "model": "gpt-4o", "labels": ["kind", "rude"],
         "passing_labels": ["kind"], "input": [
             {"role": "developer", "content": "Grade {{item.q}} {% x %}"},
             {"role": "user", "content": "{{sample.output_text}}"}]},
        {"type": "score_model", "name": "Depth", "model": "o3", "range": [0, 10], "input": []},
        {"type": "python", "name": "Own", "source": "def grade(): ..."},
    ],
}  # fmt: skip
RUN = {
    "object": "eval.run", "id": "evalrun_1", "name": "first", "model": "gpt-4o",
    "data_source": {
        "type": "completions", "model": "gpt-4o", "sampling_params": {"temperature": 0.3},
        "input_messages": {"type": "template", "template": [
            {"role": "developer", "content": "Sort."}, {"role": "user", "content": "{{item.q}}"}]},
        "source": {"type": "file_content", "content": [
            {"item": {"q": "printer", "label": "hardware"}}, {"item": {"q": "vpn", "label": "net"}}]},
    },
}  # fmt: skip


def output(q: str, text: str | None, **more: Any) -> dict[str, Any]:
    sample = {"output": [{"role": "assistant", "content": text}] if text else [],
              "usage": {"prompt_tokens": 5, "completion_tokens": 1},
              "error": None if text else {"code": "x", "message": "broke"}}  # fmt: skip
    return {"object": "eval.run.output_item", "run_id": "evalrun_1", "datasource_item": {"q": q},
            "sample": sample, "results": [{"name": "Match", "score": 1.0, "passed": True}], **more}  # fmt: skip


def test_an_eval_with_its_run_and_outputs(db: Database) -> None:
    lines = [EVAL, RUN, output("printer", "hardware"), output("vpn", None)]
    data = "\n".join(map(json.dumps, lines)).encode()
    for created in (True, False):
        arrival = read_openai("export.jsonl", data)
        prepared = ready(arrival)
        with db.session_scope(ACTOR) as session:
            taken = take(session, prepared)
        assert {(one.name, one.created) for one in taken.prompts} == {
            ("IT-tickets/Tone", created), ("IT-tickets/first", created)
        }  # fmt: skip
        assert [(one.name, one.cases, one.created) for one in taken.datasets] == [
            ("IT-tickets", 2, created)
        ]  # fmt: skip
        assert {one.name for one in taken.evaluators} == {
            "IT-tickets.Match", "IT-tickets.Tone", "IT-tickets.checks"
        }  # fmt: skip
        assert [one.created for one in taken.runs] == [created]
    reasons = {one.what: one.reason for one in taken.not_taken}
    assert {"Near", "Own", "Depth", "the model gpt-4o of Tone"} <= reasons.keys()
    with db.read_scope() as session:
        run = run_json(session, taken.runs[0].id)
    assert run["cells"]["failed"] == 1
    assert run["arms"][0]["arm"] == "first | gpt-4o"
    assert run["arms"][0]["scores"]["Match"]["mean"] == 1.0


def test_criteria_score_as_they_did() -> None:
    arrival = read_openai("x.json", json.dumps({"eval": EVAL, "runs": [RUN]}).encode())
    by_name = {one.name: one for one in arrival.evaluators}
    case = arrival.datasets[0].parsed.cases[0]
    assert case.expected == "hardware"
    match: Any = by_name["IT-tickets.Match"]
    assert match.score(Subject("hardware", case.inputs, case.expected)).value == 1
    assert match.score(Subject("hardware ", case.inputs, case.expected)).value == 0
    checks: Any = by_name["IT-tickets.checks"]
    assert checks.score(Subject("sorry printer", case.inputs)).value == 0
    assert checks.score(Subject("fine", case.inputs)).value == 1
    tone: Any = by_name["IT-tickets.Tone"]
    assert tone.parse('{"verdict": "kind"}').value == 1
    judge = next(one for one in arrival.prompts if one.name.endswith("Tone"))
    assert judge.content.messages[0].content == "Grade {{ inputs['q'] }} {{ '{%' }} x %}"
    assert judge.content.messages[1].content == "{{ output }}"
    first = next(one for one in arrival.prompts if one.name.endswith("first"))
    assert first.content.messages[1].content == "{{ q }}"
    assert first.content.options == {"temperature": 0.3}


def test_items_alone_are_a_data_set() -> None:
    lines = "\n".join(json.dumps({"item": {"q": n}}) for n in "abca").encode()
    arrival = read_openai("items.jsonl", lines)
    assert len(arrival.datasets[0].parsed.cases) == 3


@pytest.mark.parametrize("data", [b"[]", b"{", b"", b"[1]", b"null"])
def test_what_is_nothing_of_openais_is_refused(data: bytes) -> None:
    with pytest.raises(Invalid):
        read_openai("x.json", data)


def test_similarities_compare_with_the_expected_output() -> None:
    near = {
        "type": "text_similarity",
        "input": "{{sample.output_text}}",
        "reference": "{{item.label}}",
    }
    criteria = [
        {**near, "name": metric, "evaluation_metric": metric}
        for metric in ("cosine", "bleu", "rouge_1", "rouge_2", "rouge_l", "meteor")
    ]
    changed = {**EVAL, "testing_criteria": [EVAL["testing_criteria"][0], *criteria]}
    arrival = read_openai("x.json", json.dumps({"eval": changed, "runs": [RUN]}).encode())
    kinds = {one.name: one.kind for one in arrival.evaluators if one.name}
    assert [kinds[f"IT-tickets.{one['name']}"] for one in criteria[:-1]] == [
        "similarity", "bleu", "rouge", "rouge", "rouge",
    ]  # fmt: skip
    assert "meteor" in {one.what for one in arrival.not_taken}
