"""Calls, tokens and money of runs against what the provider counted."""

from decimal import Decimal
from typing import Any

import pytest

from tests.acceptance.conftest import add_model
from tests.support.shell import Shell
from tests.support.witness import Witness

ASK = ("--prompt", "ask", "--dataset", "cases")


def spent(tokens: dict[str, int]) -> Decimal:
    """At $1 and $2 per million tokens."""
    return Decimal(tokens["input"] + 2 * tokens["output"]) / 1_000_000


def arm(run: dict[str, Any], number: int = 0) -> dict[str, Any]:
    return run["arms"][number]


def test_first_sent_then_answered_from_before(shell: Shell, provider: Witness) -> None:
    provider.reset()
    first = shell.start(*ASK, "--model", "priced")
    assert first["calls"] == provider.counts().requests == 10
    assert Decimal(first["cost_usd"]) == spent(first["tokens"]) > 0
    assert arm(first)["ttft_ms"] is None
    assert arm(first)["latency_ms"]["p50"] > 0

    plan = shell.json("run", "start", *ASK, "--model", "priced", "--plan")
    assert (plan["calls"], plan["cached"], plan["cost_usd"]) == (0, 10, "0")
    again = shell.start(*ASK, "--model", "priced")
    assert (again["calls"], again["cached"]) == (0, 10)
    assert again["tokens"] == {"input": 0, "output": 0}
    assert Decimal(again["cost_usd"]) == 0
    # Of an arm: what its answers took when they were made.
    assert arm(again)["tokens"] == first["tokens"]
    assert arm(again)["cost_usd"] == first["cost_usd"]

    fresh = shell.start(*ASK, "--model", "priced", "--no-cache")
    assert (fresh["calls"], fresh["cached"]) == (10, 0)
    assert provider.counts().requests == 20


def test_a_repeat_is_a_call_of_its_own_and_the_plan_learns_from_answers(
    shell: Shell, provider: Witness
) -> None:
    shell.start(*ASK, "--model", "priced")
    plan = shell.json("run", "start", *ASK, "--model", "priced", "--repeats", 3, "--plan")
    assert (plan["cells"], plan["calls"], plan["cached"]) == (30, 20, 10)
    assert plan["tokens"]["output"] == 20 * 4  # the median answer has four tokens
    limited = ("--limit", 2, "--param", "max_tokens=7")
    unseen = shell.json("run", "start", "--prompt", "ask", "--dataset", "cases", *limited,
                        "--model", "unpriced", "--plan")  # fmt: skip
    assert unseen["unpriced"] == ["unpriced"]
    assert unseen["cost_usd"] is None


def test_equal_requests_of_one_run_share_a_call(shell: Shell, provider: Witness) -> None:
    rows = "a,topic\n1,same\n2,same\n3,same\n4,other\n"
    shell("dataset", "push", "twins", shell.write("twins.csv", rows))
    provider.reset()
    run = shell.start("--prompt", "ask", "--dataset", "twins", "--model", "priced")
    assert provider.counts().by_prompt == {"About same": 1, "About other": 1}
    assert (run["calls"], run["cached"], run["cells"]["succeeded"]) == (2, 2, 4)


def test_arms_differ_by_parameter(shell: Shell, provider: Witness) -> None:
    provider.reset()
    run = shell.start(*ASK, "--model", "priced", "--limit", 1, "--param", "temperature=0",
                      "--param", "temperature=1", "--param", "top_p=0.5")  # fmt: skip
    assert [one["arm"] for one in run["arms"]] == [
        "ask@1 | priced | temperature=0", "ask@1 | priced | temperature=1",
    ]  # fmt: skip
    bodies = [request["body"] for request in provider.requests()]
    assert sorted((b["temperature"], b["top_p"]) for b in bodies) == [(0, 0.5), (1, 0.5)]


def test_failures_are_values_and_only_they_are_retried(shell: Shell, provider: Witness) -> None:
    add_model(shell, provider, "refusing", "r400", "--input-price", 1, "--output-price", 1)
    run = shell.start(*ASK, "--model", "refusing", "--model", "priced")
    assert run["status"] == "completed"
    assert (run["cells"]["failed"], run["cells"]["succeeded"]) == (10, 10)
    assert shell.start(
        *ASK, "--model", "refusing", "--gate", "errors==0", status=100
    )["cells"]["failed"] == 10  # fmt: skip
    failed = [cell for cell in shell.cells(run["id"]) if cell["error"]]
    assert len(failed) == 10
    assert all("HTTP 400" in cell["error"] and cell["output"] is None for cell in failed)

    provider.reset()
    again = shell.json("run", "retry", run["id"], "--wait")
    assert provider.counts().requests == 10
    assert again["calls"] == run["calls"] + 10
    provider.reset()
    resumed = shell.json("run", "resume", run["id"], "--wait")
    assert (resumed["status"], provider.counts().requests) == ("completed", 0)


def test_a_fifth_that_fails_for_a_moment_is_sent_again(shell: Shell, provider: Witness) -> None:
    add_model(shell, provider, "flaky", "flaky-20", "--input-price", 1, "--output-price", 2)
    provider.reset()
    run = shell.start(*ASK, "--model", "flaky", "--repeats", 5, "--gate", "errors==0")
    counted = provider.counts()
    assert run["cells"]["succeeded"] == 50
    assert 50 < run["calls"] == counted.requests <= 75
    assert run["tokens"]["output"] == counted.output_tokens


def test_the_budget_pauses_and_a_higher_one_goes_on(shell: Shell, provider: Witness) -> None:
    shell.start(*ASK, "--model", "priced")  # from its answers the run knows what one costs
    provider.reset()
    asked = (*ASK, "--model", "priced", "--no-cache", "--concurrency", 1)
    cell = Decimal("0.000011")
    paused = shell.start(*asked, "--budget", 4 * cell, status=1)
    assert (paused["status"], paused["reason"]) == ("paused", "budget")
    assert paused["cells"]["failed"] == 0
    assert Decimal(paused["cost_usd"]) <= 4 * cell
    assert 0 < paused["calls"] == provider.counts().requests < 10
    assert "higher" in shell.error("run", "resume", paused["id"], "--budget", "0.0000001", "--wait")
    still = shell.json("run", "resume", paused["id"], "--wait", status=1)
    assert (still["status"], still["calls"]) == ("paused", paused["calls"])
    assert "--budget USD" in shell.run("run", "resume", paused["id"], "--wait").stderr
    done = shell.json("run", "resume", paused["id"], "--budget", 1, "--wait")
    assert (done["status"], done["calls"]) == ("completed", 10)
    assert provider.counts().requests == 10
    assert "priced" in shell.error("run", "start", *ASK, "--model", "unpriced", "--budget", 1,
                                   "--no-cache")  # fmt: skip


def test_judges_are_counted_apart_and_their_nonsense_is_unscored(
    shell: Shell, provider: Witness
) -> None:
    add_model(shell, provider, "judge", "judge", "--input-price", 1, "--output-price", 1)
    provider.reply("judge", '{"verdict": "yes", "reason": "to the point"}')
    spec = shell.write("judge.yaml", "kind: judge\nmodel: judge\nrubric: Is it about the topic?\n")
    run = shell.start(*ASK, "--model", "priced", "--evaluator", spec)
    assert run["evaluation"]["calls"] == provider.counts("judge").requests == 10
    assert run["evaluation"]["cost_usd"] != "0"
    assert run["calls"] == 0
    assert arm(run)["scores"]["judge"]["mean"] == 1
    again = shell.start(*ASK, "--model", "priced", "--evaluator", spec)
    assert (again["evaluation"]["calls"], again["evaluation"]["cached"]) == (0, 10)

    provider.reply("judge", "What a lovely day.")
    run = shell.start(*ASK, "--model", "priced", "--evaluator", spec, "--no-cache")
    assert arm(run)["scores"]["judge"] == {"mean": None, "n": 0, "ci95": None}
    assert shell.run("verdict", run["id"], "--gate", "judge>=0").returncode == 100


def test_a_gate_that_the_run_cannot_answer_is_refused_before_a_call(
    shell: Shell, provider: Witness
) -> None:
    provider.reset()
    asked = (*ASK, "--model", "priced", "--no-cache", "--wait")
    assert "'exact'" in shell.error("run", "start", *asked, "--gate", "exact>=0.9")
    assert provider.counts().requests == 0
    shell("run", "start", *asked, "--limit", 1, "--evaluator", "exact", "--gate", "exact>=0.9")


def test_an_unpriced_model_is_never_free(shell: Shell, provider: Witness) -> None:
    add_model(shell, provider, "dear", "r400")
    run = shell.start(*ASK, "--model", "dear", "--limit", 1)
    assert arm(run)["cost_usd"] is None
    # All failed: the evaluator has no value, and a null figure fails its gate.
    asked = (*ASK, "--model", "dear", "--limit", 1, "--evaluator", "exact")
    shell.start(*asked, "--gate", "exact>=0", status=100)


def test_the_same_idempotency_key_gives_the_same_run(shell: Shell) -> None:
    first, second = (
        shell.start(*ASK, "--model", "priced", "--idempotency-key", "one") for _ in range(2)
    )
    assert first["id"] == second["id"]
    assert shell.start(*ASK, "--model", "priced")["id"] != first["id"]


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--prompt", "ask@9"), "newest is 1"), (("--prompt", "none"), "prompt list"),
        (("--model", "none"), "model list"), (("--dataset", "none"), "dataset list"),
        (("--param", "stream=true"), "Leave it out"), (("--map", "topic=none"), "no value in any"),
        (("--evaluator", "none"), "exact, contains"), (("--evaluator", "regex:("), "regular expression"),
    ],
)  # fmt: skip
def test_what_cannot_run_is_refused_with_the_remedy(
    shell: Shell, options: tuple[str, str], part: str
) -> None:
    given = dict(zip(ASK[::2], ASK[1::2], strict=True)) | {"--model": "priced"}
    given[options[0]] = options[1]
    before = shell.json("run", "list")
    assert part in shell.error("run", "start", *[word for pair in given.items() for word in pair])
    assert shell.json("run", "list") == before
