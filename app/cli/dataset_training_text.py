"""What came of making training rows, for people and for programs."""

from typing import TYPE_CHECKING, Any

from app.cli.show import print_table

if TYPE_CHECKING:
    from evalsets.datasets.service import DatasetPublic
    from tuning.data.making import Report
    from tuning.data.statistics import TokenStatistics

_SHOWN = 20


def as_json(kind: str, report: "Report", version: "DatasetPublic | None") -> dict[str, Any]:
    """One document: the version, if one was stored, and every count."""
    stored = {} if version is None else version._asdict()
    return {
        **stored,
        "kind": kind,
        "given": report.given,
        "leaks": [leak._asdict() for leak in report.leaks],
        "steps": [
            {
                "step": step.name,
                "on": step.on,
                "before": step.before,
                "after": step.after,
                "changed": step.changed,
                "removed": [one._asdict() for one in step.removed],
            }
            for step in report.steps
        ],
        "new": report.new,
        "held_out": report.held_out,
        "known": report.known,
        "tokens": _tokens(report.tokens),
    }


def _tokens(found: "TokenStatistics") -> dict[str, Any]:
    parts = {name: getattr(found, name)._asdict() for name in ("prompt", "answer", "both")}
    return {"rows": found.rows, "context": found.context, "share_over": found.over, **parts}


def print_report(name: str, report: "Report", version: "DatasetPublic | None") -> None:
    """Counts before and after each step, leaks by name, lengths, and what was stored."""
    steps = [("leaks", report.given, report.given - len(report.leaks), 0)]
    steps += [
        (step.name if step.on else f"{step.name} (off)", step.before, step.after, step.changed)
        for step in report.steps
    ]
    print_table(("step", "before", "after", "changed"), steps)
    print()
    for leak in report.leaks[:_SHOWN]:
        print(f"refused: {leak}")
    if len(report.leaks) > _SHOWN:
        print(f"refused: {len(report.leaks) - _SHOWN} more")
    tokens = report.tokens
    print_table(
        ("tokens (estimate)", "median", "p95", "most"),
        [(part, *getattr(tokens, part)[:3]) for part in ("prompt", "answer", "both")],
    )
    print()
    told = f"{report.new} new rows, {report.held_out} of them held out, {report.known} known"
    print(f"{name}: {told}" if version is None else f"{version.ref} ({version.cases} rows: {told})")
