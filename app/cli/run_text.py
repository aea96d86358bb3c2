"""A run for a terminal."""

from typing import Any

from app.cli.show import money, percent, print_pairs, print_table


def print_run(run: dict[str, Any]) -> None:
    """`run` is the document of `run show --json`."""
    cells, tokens = run["cells"], run["tokens"]
    print_pairs([
        ("run", run["id"]),
        ("state", run["status"] + (f" ({run['reason']})" if run["reason"] else "")),
        ("data set", run["dataset"]), ("repeats", run["repeats"]),
        ("cells", f"{cells['succeeded']} succeeded, {cells['failed']} failed, "
                  f"{cells['pending']} pending of {cells['total']}"),
        ("calls", f"{run['calls']} sent, {run['cached']} cached"),
        ("interrupted", f"{run['interrupted']} (possibly paid twice)" if run["interrupted"] else 0),
        ("tokens", f"{tokens['input']} in, {tokens['output']} out"),
        ("cost", money(run["cost_usd"])), ("seconds", run["seconds"]),
    ])  # fmt: skip
    print()
    scores = sorted({name for arm in run["arms"] for name in arm["scores"]})
    heads = ("arm", "done", "failed", "good", "bad", "share good", *scores, "p50 ms", "p95 ms",
             "cost", "per good")  # fmt: skip
    print_table(heads, (_arm(arm, scores) for arm in run["arms"]))
    steady = [
        (arm["arm"], by, one["passes"][-1], one)
        for arm in run["arms"]
        for by, one in arm.get("steadiness", {}).items()
    ]
    if steady:
        print()
        heads = ("arm", "by", "k", "cases", "pass@k", "pass^k", "flicker", "two disagree")
        print_table(heads, (_steady(*one) for one in steady))


def _steady(arm: str, by: str, deepest: dict[str, Any], one: dict[str, Any]) -> tuple[object, ...]:
    return (
        arm, by, deepest["k"], deepest["n_cases"], percent(deepest["pass_at_k"]),
        percent(deepest["pass_hat_k"]), percent(one["flicker"]), percent(one["two_disagree"]),
    )  # fmt: skip


def _arm(arm: dict[str, Any], scores: list[str]) -> tuple[object, ...]:
    latency = arm["latency_ms"] or {"p50": None, "p95": None}
    return (
        arm["arm"], arm["succeeded"], arm["failed"], arm["labels"]["good"], arm["labels"]["bad"],
        percent(arm["share_good"]), *((arm["scores"].get(n) or {}).get("mean") for n in scores),
        latency["p50"], latency["p95"], money(arm["cost_usd"]),
        "–" if arm["cost_per_good_usd"] is None else money(arm["cost_per_good_usd"]),
    )  # fmt: skip
