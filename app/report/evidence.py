"""What a report's figures rest on: the pairs that decide, the plan and versions, the cells."""

import json
from collections.abc import Iterable, Sequence

from app.report.data import MOST_CELLS, Decides, Pair, Report
from app.report.marks import diffed, prose, section, table
from app.telling import figures
from app.telling.escape import text
from app.telling.words import Say
from evalsets.runs.manifest import Arm
from evalsets.runs.rows import Row
from evalsets.verdicts.looks import LABEL
from prompts.diff import word_diff


def decides_part(report: Report, say: Say) -> str:
    """The first pairs that differ, with both answers and the words that differ."""
    return "".join(_decides(report, one, say) for one in report.decides if one.shown)


def _decides(report: Report, one: Decides, say: Say) -> str:
    read, count = report.verdict, one.candidate_better + one.baseline_better
    told = say(
        "verdict.decides_counts", n=figures.count(count), candidate=one.candidate,
        baseline=read.baseline, ours=figures.count(one.candidate_better),
        theirs=figures.count(one.baseline_better),
    )  # fmt: skip
    rows = [_pair(pair, read.by, say) for pair in one.shown]
    more = say("verdict.decides_more", n=figures.count(count), shown=len(rows))
    note = f'<p class="faint">{text(more)}</p>' if count > len(rows) else ""
    heads = (say("columns.case"), read.baseline, one.candidate)
    title = f"{say('verdict.decides')}: {one.candidate}"
    return section(title, f"<p>{text(told)}</p>", table(heads, rows), note)


def _pair(pair: Pair, by: str, say: Say) -> Sequence[str]:
    told, before, after = pair
    compared = before is not None and after is not None
    shown = diffed(word_diff(before or "", after or "")) if compared else prose(after)
    name = told.case_id if told.repeat == 1 else f"{told.case_id} · {told.repeat}"
    return (
        text(name),
        _said(told.baseline, by, say) + prose(before),
        _said(told.candidate, by, say) + shown,
    )


def _said(value: float, by: str, say: Say) -> str:
    if by != LABEL:
        return f"<p>{value:g}</p>"
    word, sign = ("good", "✓") if value else ("bad", "✗")
    return f'<p class="{word}">{sign} {text(say(f"label.{word}"))}</p>'


def plan_part(report: Report, say: Say) -> str:
    """What ran, and which labels were planned: everything that another needs to repeat it."""
    run, plan = report.run, report.verdict.plan
    facts: list[tuple[str, object]] = [
        ("columns.id", run.id),
        ("columns.cases", f"{run.dataset}@{run.dataset_version}"),
        ("report.dataset_hash", report.manifest.dataset_hash or figures.MISSING),
        ("columns.author", run.actor.removeprefix("user:")),
        ("columns.when", f"{run.created_at:%Y-%m-%d %H:%M} UTC"),
        ("runs.repeats", run.repeats),
        ("columns.calls", figures.count(run.calls)),
        ("columns.cost", figures.MISSING if run.imported else figures.money(say, run.cost)),
        ("columns.evaluator", ", ".join(report.evaluators) or figures.MISSING),
        ("report.plan", _plan(report, say) if plan else say("report.no_plan")),
        ("report.resolution", say("numbers.points", value=f"{report.verdict.resolution * 100:g}")),
    ]
    rows = [(text(say(key)), text(value)) for key, value in facts]
    arms = "".join(_arm(arm) for arm in report.manifest.arms)
    heads = (say("columns.setting"), say("columns.value"))
    return section(say("report.versions"), table(heads, rows), arms, _evaluators(report))


def _plan(report: Report, say: Say) -> str:
    plan = report.verdict.plan
    assert plan is not None
    key = "report.plan_complete" if plan.complete else "report.plan_open"
    return say(key, pairs=plan.pairs, extensions=plan.sequence, lacking=plan.lacking)


def _arm(arm: Arm) -> str:
    parts: list[str] = []
    if arm.prompt is not None:
        parts.append(f"<p>{text(f'{arm.prompt.name}@{arm.prompt.version}')}</p>")
        parts += [
            f'<p class="faint">{text(one.role)}</p>{prose(one.content)}'
            for one in arm.prompt.content.messages
        ]
    shown = {
        "prompt_hash": arm.prompt.hash if arm.prompt else None,
        "model": arm.model.settings.model if arm.model else None,
        "params": arm.params or None,
        "mapping": arm.mapping or None,
    }
    known = {name: value for name, value in shown.items() if value is not None}
    if known:
        parts.append(prose(json.dumps(known, ensure_ascii=False, indent=1, default=str)))
    inner = "".join(parts)
    return f"<details><summary>{text(arm.name)}</summary>{inner}</details>" if inner else ""


def _evaluators(report: Report) -> str:
    return "".join(
        f"<details><summary>{text(one.name)}</summary>"
        f"{prose(json.dumps(one.spec, ensure_ascii=False, indent=1, default=str))}</details>"
        for one in report.manifest.evaluators
    )


def cells_part(report: Report, say: Say) -> Iterable[str]:
    """Every cell, the first 2,000 of a larger run; folded."""
    total = report.run.total or len(report.cells)
    shown = len(report.cells)
    names = ("columns.case", "columns.arm", "columns.repeat", "runs.inputs", "runs.expected")
    heads = [*map(say, (*names, "columns.answer")), *report.evaluators, say("report.label")]
    told = say("report.cells", n=figures.count(shown))
    yield f"<section><details><summary>{text(told)}</summary>"
    if shown == MOST_CELLS and total > shown:
        yield f"<p>{text(say('report.cells_more', n=figures.count(total)))}</p>"
    yield table(heads, (_cell(row, report.evaluators) for row in report.cells))
    yield "</details></section>"


def _cell(row: Row, evaluators: Sequence[str]) -> Sequence[str]:
    inputs = "\n".join(f"{name}: {value}" for name, value in row["inputs"].items())
    failed = row["state"] == "failed"
    answer = prose(row["error"] if failed else row["output"])
    return (
        text(row["case_id"]), text(row["arm"]), text(row["repeat"]), prose(inputs),
        prose(row["expected"]), f'<div class="failed">! {answer}</div>' if failed else answer,
        *(text(row["scores"].get(name)) for name in evaluators), text(row["label"]),
    )  # fmt: skip
