"""A call for a terminal."""

from typing import Any

from app.cli.show import money, print_pairs, print_table, visible


def print_trace(call: dict[str, Any]) -> None:
    """`call` is the document of `trace show --json`."""
    tokens = call["tokens"]
    print_pairs([
        ("request", call["request_id"]), ("release", f"{call['app']}@{call['release']}"),
        ("at", call["at"]), ("status", f"{call['status']} ({call['state']})"),
        ("model", call["model"]), ("key", call["key"]), ("user", call["user"]),
        ("latency", f"{call['latency_ms']:.0f} ms"), ("first token", _ms(call["ttft_ms"])),
        ("tokens", f"{tokens['input'] or 0} in, {tokens['output'] or 0} out"),
        ("cost", money(call["cost_usd"])), ("rating", call["rating"]), ("error", call["error"]),
    ])  # fmt: skip
    if call["messages"] is None:
        print("\nWhat was said is not kept: content logging of this app is off.")
    else:
        _said(call)
    _feedback(call)


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} ms"


def _said(call: dict[str, Any]) -> None:
    print()
    heads = ("step", "name", "at ms", "took ms", "")
    steps = call["steps"]
    print_table(
        heads, ((s["kind"], s["name"], s["at_ms"], s["ms"], "" if s["ok"] else "!") for s in steps)
    )
    for message in call["messages"]:
        print(f"\n{message['role']}:\n{visible(str(message['content']), keep=_KEPT)}")
    print(f"\nanswer:\n{visible(call['output'], keep=_KEPT)}")
    for one in call["sources"]:
        print(f"[{one['n']}] {visible(str(one['document']))}")


_KEPT = "\n\t"


def _feedback(call: dict[str, Any]) -> None:
    for one in call["feedback"]:
        said = [one["rating"] or "–", *one["reasons"], one["comment"], one["correction"] or ""]
        words = " · ".join(visible(text) for text in said if text)
        print(f"\nfeedback by {visible(one['actor'])} at {one['at']}: {words}")
    decision = call["decision"]
    if decision is not None:
        print(f"\nreviewed by {visible(decision['actor'])}: {decision['decision']}")
