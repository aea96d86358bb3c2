"""Every documented field of OpenAI's evals, runs, items and outputs is taken, or listed.

The fields are those of the `openai` SDK: types/evals, types/graders.
"""

import json
from typing import Any

import pytest

from evalsets.foreign.arrival import Arrival
from evalsets.foreign.openai_evals import read_openai
from tests.evalsets.test_openai_evals import EVAL, RUN, output

OUT = "{{sample.output_text}}"
MESSAGES = [{"role": "user", "content": "canary-text {{sample.output_text}}"}]
SAMPLING = {"temperature": 0.4321, "top_p": 0.8765, "seed": 97_531, "canary_param": 1,
            "max_completions_tokens": 86_420, "reasoning_effort": "canary-effort"}  # fmt: skip
GRADERS: dict[str, dict[str, Any]] = {
    "string_check": {"operation": "eq", "reference": "canary-text", "input": OUT},
    "text_similarity": {"evaluation_metric": "rouge_l", "reference": "canary-text", "input": OUT,
                        "pass_threshold": 0.1234},
    "label_model": {"input": MESSAGES, "labels": ["canary-l", "b"], "passing_labels": ["canary-l"],
                    "model": "canary-model", "sampling_params": SAMPLING},
    "score_model": {"input": MESSAGES, "range": [0, 1], "model": "canary-model",
                    "sampling_params": SAMPLING, "pass_threshold": 0.1234},
    "python": {"source": "canary", "image_tag": "x", "pass_threshold": 0.1},
    "multi": {"graders": {"a": {}}, "calculate_output": "a"},
}  # fmt: skip


def read(*objects: dict[str, Any]) -> Arrival:
    return read_openai("x.jsonl", "\n".join(map(json.dumps, objects)).encode())


def told(arrival: Arrival) -> str:
    return "\n".join(f"{one.where} {one.what}" for one in arrival.not_taken)


def kept(arrival: Arrival) -> str:
    cases = [(one.inputs, one.expected) for each in arrival.datasets for one in each.parsed.cases]
    outputs = [(one.found.arms, one.found.outputs) for one in arrival.runs]
    return repr((arrival.prompts, arrival.evaluators, cases, outputs))


@pytest.mark.parametrize("kind", GRADERS)
def test_fields_of_graders(kind: str) -> None:
    given = {"type": kind, "name": "canary-name", "canary_new": 1, **GRADERS[kind]}
    arrival = read({**EVAL, "testing_criteria": [given]})
    stored, listed = kept(arrival), told(arrival)
    if kind in ("python", "multi"):
        assert "testing_criteria[0] canary-name" in listed
        return
    assert "canary-name" in stored
    for key in ("canary_new", "pass_threshold", "model"):
        assert (key not in given) or f"testing_criteria[0].{key}" in listed, key
    for canary in ("canary-text", "canary-l") if kind == "label_model" else ("canary-text",):
        assert canary in stored
    for name, value in SAMPLING.items() if "sampling_params" in given else ():
        assert str(value) in stored or f"sampling_params.{name}" in listed, name


def test_fields_of_evals() -> None:
    whole = {**EVAL, "metadata": {"a": "b"}, "share_with_openai": True, "created_at": 1, "new": 1}
    configs = [
        {"type": "custom", "schema": {"a": 1}, "item_schema": {"a": 1}, "include_sample_schema": True},
        {"type": "logs", "metadata": {"usecase": "x"}},
    ]  # fmt: skip
    custom, logs = (told(read({**whole, "data_source_config": one})) for one in configs)
    for key in ("metadata", "new", "data_source_config.schema", "data_source_config.item_schema",
                "data_source_config.include_sample_schema"):  # fmt: skip
        assert f".{key} " in custom, key
    assert "data_source_config the data of the eval" in logs


def test_fields_of_runs_and_of_their_items() -> None:
    source = {
        **RUN["data_source"], "sampling_params": {**SAMPLING, "tools": [{"type": "web_search"}]},
        "new": 1, "source": {"type": "file_content", "content": [
            {"item": {"q": "canary-q"}, "sample": {"output_text": "x"}}, {"no": "item"}]},
    }  # fmt: skip
    run = {**RUN, "data_source": source, "metadata": {"a": "b"}, "error": {"code": "x"}}
    arrival = read(run)
    stored, listed = kept(arrival), told(arrival)
    assert "canary-q" in stored
    for name, value in SAMPLING.items():
        assert str(value) in stored or f"data_source.{name}" in listed, name
    for key in ("metadata", "error", "data_source.new", "data_source.tools[0]",
                "content[0].sample", "content[1]"):  # fmt: skip
        assert key in listed, key
    reference = {"type": "item_reference", "item_reference": "item.turns"}
    apart = told(read({**run, "data_source": {**source, "input_messages": reference}}))
    assert "data_source.input_messages" in apart
    assert "data_source.sampling_params" in apart
    for inner in ({"type": "file_id", "id": "file_1"}, {"type": "responses", "model": "x"}):
        assert "Download" in repr(
            read({**run, "data_source": {**source, "source": inner}}).not_taken
        )


def test_fields_of_outputs() -> None:
    item = output("printer", "canary-out")
    sample = {**item["sample"], "finish_reason": "stop", "input": MESSAGES, "temperature": 0.5,
              "top_p": 0.5, "seed": 4, "max_completion_tokens": 5, "model": "m"}  # fmt: skip
    arrival = read({**item, "sample": sample, "status": "pass", "new": 1})
    assert "canary-out" in kept(arrival)
    listed = told(arrival)
    for key in ("new", "sample.input", "sample.temperature", "sample.top_p", "sample.seed",
                "sample.finish_reason", "sample.max_completion_tokens"):  # fmt: skip
        assert f".{key} " in listed, key
