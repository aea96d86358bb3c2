"""Adapters of every kind behind OpenAI's API, by the real worker on a tiny model."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.peft_client import KEY, ask, figures, free_port, hang_up_on
from tests.support.tiny_adapters import NEW_TOKENS, PROMPT
from tests.support.training import Forks, Trainer, until, write_job

KINDS: dict[str, dict[str, Any]] = {
    "lora": {"rank": 4}, "dora": {"rank": 4}, "ia3": {}, "prefix": {"tokens": 4},
    "prompt": {"tokens": 4}, "p_tuning": {"tokens": 4},
}  # fmt: skip
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"


def start(trainers: Forks, job: Path, base: Path, name: str, **changes: object) -> Trainer:
    """A worker of a job's adapter; its port stands in its note."""
    folder = job / name
    folder.mkdir()
    note = {
        "base": str(base), "adapter": str(job / "adapter"), "cache": str(job / "bases"),
        "alias": "tiny", "port": free_port(), "key": KEY, "context": 4096, "queue": 2, **changes,
    }  # fmt: skip
    (folder / "note.json").write_text(json.dumps(note))
    return trainers.start(folder, module="tests.support.serve_tiny")


def port_of(worker: Trainer) -> int:
    """Once it answers."""
    until(lambda: "startup complete" in worker.log(), 30, worker.log())
    return json.loads((worker.folder / "note.json").read_bytes())["port"]


@pytest.fixture(scope="module")
def jobs(trainers: Forks, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job's folder for each kind."""
    place = tmp_path_factory.mktemp("serving")
    loud = shutil.copytree(tiny, place / "loud")
    for kind, adapter in KINDS.items():
        write_job(place / kind, Path(loud), "sft", {"kind": kind, **adapter})
    making = trainers.start(place, module="tests.support.tiny_adapters")
    assert making.wait() == 0, making.log()
    return place


@pytest.fixture(scope="module")
def workers(trainers: Forks, jobs: Path) -> Iterator[dict[str, int]]:
    """Ports by kind."""
    started = {kind: start(trainers, jobs / kind, jobs / "loud", "serve") for kind in KINDS}
    bare = start(trainers, jobs / "lora", jobs / "loud", "bare", adapter=None)
    started["bare"] = bare
    yield {kind: port_of(worker) for kind, worker in started.items()}
    for worker in started.values():
        os.kill(worker.pid, signal.SIGKILL)


def body(**changes: object) -> dict[str, object]:
    return {"model": "tiny", "messages": PROMPT, "temperature": 0, **changes}


def test_each_kind_answers_as_peft_does(workers: dict[str, int], jobs: Path) -> None:
    """Token for token, in one piece and as a stream, which end at the same texts."""
    answers = set()
    for kind, port in workers.items():
        if kind == "bare":
            answers.add(
                ask(port, CHAT, body(max_tokens=4)).body["choices"][0]["message"]["content"]
            )
            continue
        expected = json.loads((jobs / kind / "expected.json").read_bytes())
        call = body(max_tokens=NEW_TOKENS, return_token_ids=True)
        status, whole = ask(port, CHAT, call)
        assert status == 200, whole
        (choice,) = whole["choices"]
        assert whole["prompt_token_ids"] == expected["prompt"]
        assert choice["token_ids"] == expected["answer"], kind
        ends = expected["answer"][-1] == 2
        assert choice["finish_reason"] == ("stop" if ends else "length")
        assert whole["usage"]["completion_tokens"] == len(expected["answer"])
        *events, done = ask(port, CHAT, {**call, "stream": True}).body
        assert done == "[DONE]"
        parts = [event["choices"][0] for event in events]
        assert (
            "".join(part["delta"].get("content", "") for part in parts)
            == (choice["message"]["content"])
        )
        assert [one for part in parts for one in part["token_ids"]] == expected["answer"]
        assert parts[-1]["finish_reason"] == choice["finish_reason"]
        answers.add(choice["message"]["content"])
    assert len(answers) > 3, "the adapters make a difference"


def test_how_it_draws(workers: dict[str, int]) -> None:
    port = workers["ia3"]

    def said(**changes: object) -> str:
        found = ask(port, CHAT, body(max_tokens=16, **changes))
        assert found.status == 200, found.body
        return found.body["choices"][0]["message"]["content"]

    greedy = said()
    drawn = [said(temperature=1.5, seed=seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert said(temperature=1.5, seed=1, top_k=1) == greedy
    assert said(temperature=1.5, seed=1, top_p=1e-6) == greedy
    assert said(temperature=1.5) != said(temperature=1.5), "without a seed, at random"


def test_where_it_ends(workers: dict[str, int], jobs: Path) -> None:
    """At a text, at the number of tokens, at the end of the context; beyond it, not at all."""
    port = workers["prefix"]
    whole = ask(port, CHAT, body(max_tokens=NEW_TOKENS)).body["choices"][0]
    text = whole["message"]["content"]
    stop = text[5:8]
    found = ask(port, CHAT, body(max_tokens=NEW_TOKENS, stop=[stop])).body["choices"][0]
    assert found["message"]["content"] == text[: text.index(stop)]
    assert found["finish_reason"] == "stop"
    # 512 positions, four of which are the adapter's.
    prompt = [5] * 500
    made = ask(port, TEXT, {"model": "tiny", "prompt": prompt, "temperature": 0}).body
    assert made["usage"]["prompt_tokens"] == 500
    assert made["usage"]["completion_tokens"] <= 8
    status, refused = ask(port, TEXT, {"model": "tiny", "prompt": [5] * 508})
    assert (status, refused["error"]["code"]) == (400, "context_length_exceeded")
    assert "508" in refused["error"]["message"]
    for wrong in ([], [5, 10_000], [-1]):
        assert ask(port, TEXT, {"model": "tiny", "prompt": wrong}).status == 400


def test_who_hangs_up_is_not_answered_further(workers: dict[str, int]) -> None:
    """The next caller does not wait for the rest."""
    port = workers["lora"]
    before = figures(port)["generation_tokens_total"]
    call = {"model": "tiny", "prompt": "a", "temperature": 2, "seed": 3, "stream": True}
    left = hang_up_on(port, TEXT, {**call, "max_tokens": 400})
    until(lambda: figures(port)["requests_running"] == 1, what="it did not begin")
    left.close()
    until(lambda: figures(port)["requests_running"] == 0)
    made = figures(port)["generation_tokens_total"] - before
    assert made < 380, "it went on to the end"


def test_what_is_not_whole_is_not_served(trainers: Forks, jobs: Path) -> None:
    adapter = jobs / "lora" / "adapter" / "adapter_model.safetensors"
    whole = adapter.read_bytes()
    adapter.write_bytes(whole[:-1] + b"x")
    broken = start(trainers, jobs / "lora", jobs / "loud", "broken")
    assert broken.wait() == 1
    assert "error: The adapter is refused" in broken.log()
    adapter.write_bytes(whole)
    nowhere = start(trainers, jobs / "lora", jobs / "nowhere", "nowhere")
    assert nowhere.wait() == 1
    assert "error: There is no base nowhere" in nowhere.log()
