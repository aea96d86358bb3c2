"""The circle closed on the embedded model: taught, served, held against its trainer, published."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.backends import environment
from connectors.demo import model_file
from core.errors import Unavailable
from tests.acceptance.test_server import wait_for
from tests.support.forked import Forking
from tests.support.serving import Up, serving
from tests.support.shell import Shell
from tuning import environment as trainer
from tuning.bases import digest_of
from tuning.folders import turned_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
STEPS = ("--param", "steps=10", "--param", "batch=4", "--param", "max_length=128")
KEPT = range(0, 48, 4)
TALK = """---
name: talk
inputs:
  - {name: messages, kind: thread}
---
user:
{{ messages }}
"""


def rows(kind: str) -> str:
    """Codes of items; a quarter is held out."""
    found: list[dict[str, Any]] = []
    for n in range(48):
        asked = {"messages": [{"role": "user", "content": f"What is the code for item {n}?"}]}
        pair = {"chosen": f"ZEBRA-{n}", "rejected": f"I do not know item {n}."}
        answer = {"expected": f"ZEBRA-{n}"} if kind == "sft" else pair
        found.append({"id": f"{kind}{n}", "split": "holdout" if n in KEPT else "train",
                      **asked, **answer})  # fmt: skip
    return "".join(json.dumps(row) + "\n" for row in found)


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, forking: Forking
) -> Iterator[tuple[Shell, Up]]:
    data: Path = tmp_path_factory.mktemp("own")
    try:
        trainer.find(data)
        model_file()
    except Unavailable as error:
        pytest.skip(error.message)
    shell = Shell(data, forking, tmp_path_factory.mktemp("files"))
    for kind in ("sft", "dpo"):
        shell("dataset", "push", kind, shell.write(f"{kind}.jsonl", rows(kind)))
    shell("prompt", "push", shell.write("talk.prompty", TALK))
    with serving(data, alone=True) as up:
        up.wait_ready()
        yield shell, up


def has_vllm(data: Path) -> bool:
    try:
        environment.find(data)
    except Unavailable:
        return False
    return True


@pytest.fixture(scope="module")
def base(served: tuple[Shell, Up]) -> str:
    """The embedded model; where vLLM is installed, as a backend that takes adapters."""
    shell, _ = served
    if not has_vllm(shell.data):
        return "demo"
    # The first training turns the GGUF file into a folder, which vLLM serves.
    one = ("--param", "steps=1", "--param", "max_length=128", "--wait")
    warm = ("warm", "--base", "demo", "--data", "sft", "--method", "sft")
    shell.alone("tune", "start", *warm, *one, timeout=600)
    folder = turned_folder(shell.data, digest_of(model_file()))
    shell("backend", "add", "small", "--kind", "vllm", "--source", folder, "--lora",
          "--context", 1024, "--concurrency", 4, "--max-rank", 16)  # fmt: skip
    return "small"


def ask(up: Up, key: str, app: str, question: str) -> str:
    body = {"model": app, "messages": [{"role": "user", "content": question}]}
    answer = up.ask(
        "/v1/chat/completions", "POST", body=json.dumps(body).encode(),
        authorization=f"Bearer {key}", content_type="application/json", signed_in=False,
    )  # fmt: skip
    assert answer.status == 200, answer.body
    return json.loads(answer.body)["choices"][0]["message"]["content"]


def train(shell: Shell, base: str, method: str, rate: float) -> str:
    name = f"taught-{method}"
    done = shell.alone(
        "tune", "start", name, "--base", base, "--data", method, "--method", method, *STEPS,
        "--param", f"learning_rate={rate}", "--wait", "--json", timeout=600,
    )  # fmt: skip
    assert json.loads(done.stdout)["status"] == "completed", done.stdout + done.stderr
    return name


def publish(shell: Shell, base: str, name: str) -> str:
    """The answer of the command; the model answers as its trainer did."""
    told = shell.json("tune", "publish", name)
    assert told["model"] == name
    assert told["backend"] == ("small" if base == "small" else name)
    parity = told["parity"]
    assert parity["prompts"] == parity["token_ids_equal"] == len(KEPT), parity
    assert parity["answers_equal"] + parity["near_ties"] >= len(KEPT) - 1, parity
    # What was learned from preferences may go on and on.
    few = ("--param", "max_tokens=32")
    shell("app", "create", name, "--prompt", "talk", "--model", name, *few)
    shell("app", "release", name)
    shell("app", "promote", f"{name}@1", "production")
    return shell.json("key", "create", name, "--app", name)["key"]


def test_what_was_taught_is_proven_and_answers_through_a_published_app(
    served: tuple[Shell, Up], base: str
) -> None:
    shell, up = served
    name = train(shell, base, "sft", 0.002)
    run = shell.json("tune", "prove", name)["run"]
    done = wait_for(shell, run, "completed", 300)
    scores = {arm["model"]: arm["scores"]["exact"] for arm in done["arms"]}
    assert scores[base]["mean"] == 0
    assert scores[name]["mean"] > 0.8
    key = publish(shell, base, name)
    assert "ZEBRA" in ask(up, key, name, "What is the code for item 61?")


def test_preferences_are_learned_and_answer_too(served: tuple[Shell, Up], base: str) -> None:
    shell, up = served
    name = train(shell, base, "dpo", 0.00005)
    key = publish(shell, base, name)
    assert ask(up, key, name, "What is the code for item 61?")
