"""The figures of a report: arms, verdict, pictures with their numbers."""

from collections.abc import Sequence

from app.report.data import Report
from app.report.marks import figure, section, table
from app.telling import figures, findings, sentences
from app.telling.escape import text
from app.telling.pictures import Curve, Pictures
from app.telling.points import Point, Priced, pareto
from app.telling.words import Say
from evalsets.runs.arm_report import ArmReport
from evalsets.statistics.verdict import ArmShare
from evalsets.verdicts.looks import LABEL


def verdict_part(report: Report, say: Say) -> str:
    """The sentence of each comparison, the notes, and the differences."""
    read, pictures = report.verdict, Pictures([arm.arm for arm in report.arms])
    claims = "".join(
        f'<div class="claim"><span class="word">{text(sentences.word(say, one))}</span> '
        f'<span class="faint">'
        f"{text(say('verdict.pair', candidate=one.candidate, baseline=one.baseline))}</span>"
        f"<h3>{text(sentences.headline(say, one, read.by))}</h3>"
        f"<p>{text(sentences.evidence(say, one))}</p></div>"
        for one in read.comparisons
    )
    notes = "".join(f'<p class="faint">{text(note)}</p>' for note in sentences.notes(say, read))
    points = [
        Point(
            one.candidate, one.difference, *one.difference_ci95,
            f"{one.candidate}   {figures.difference(say, one.difference, one.difference_ci95)}",
        )
        for one in read.comparisons
        if one.need is not None
        and one.difference is not None
        and one.difference_ci95 is not None
    ]  # fmt: skip
    told = findings.differences(say, read.comparisons)
    drawn = (
        figure(
            say("verdict.chart_differences", baseline=read.baseline),
            pictures.intervals(points, told, zero=True), told,
        )
        if points
        else ""
    )  # fmt: skip
    by = say("verdict.labels") if read.by == LABEL else read.by
    judged = f'<p class="faint">{text(say("verdict.by"))}: {text(by)}</p>'
    return section(say("runs.tab_verdict"), judged, claims, notes, _comparisons(report, say), drawn)


def _comparisons(report: Report, say: Say) -> str:
    rows = [
        (
            text(f"{one.candidate} – {one.baseline}"),
            text(figures.gap(say, one)),
            text(figures.p_value(one.p_adjusted)),
            str(one.n_pairs),
            *(_count(value) for value in (one.only_candidate, one.only_baseline, one.both)),
            _count(one.neither),
            text(say(f"verdict.method_{one.method}")),
        )
        for one in report.verdict.comparisons
    ]
    names = ("arm", "difference", "p", "pairs", "only_candidate", "only_baseline", "both",
             "neither", "method")  # fmt: skip
    return table([say(f"columns.{name}") for name in names], rows) if rows else ""


def _count(value: float | None) -> str:
    return figures.MISSING if value is None else f"{value:g}"


def arms_part(report: Report, say: Say) -> str:
    """Every arm with its figures, its mark beside its name, and the shares as a picture."""
    pictures = Pictures([arm.arm for arm in report.arms])
    rows = [_arm(report, arm, pictures, say) for arm in report.arms]
    names = ("arm", "share", "latency", "cost", "per_good", "tokens", "failed")
    heads = [*(say(f"columns.{name}") for name in names), *report.evaluators]
    points = [
        Point(arm.arm, arm.share, *arm.ci95, f"{arm.arm}   {_share(say, arm)}")
        for arm in report.verdict.arms
        if arm.share is not None
        and arm.ci95 is not None
        and 0 <= arm.ci95.low <= arm.ci95.high <= 1
    ]
    drawn = ""
    if points:
        told = findings.shares(say, points)
        drawn = figure(say("verdict.chart_shares"), pictures.intervals(points, told), told)
    return section(say("columns.arms"), table(heads, rows), drawn)


def _share(say: Say, arm: ArmShare) -> str:
    return figures.arm_share(say, arm)


def _arm(report: Report, arm: ArmReport, pictures: Pictures, say: Say) -> Sequence[str]:
    labels, imported = arm.labels, report.run.imported
    n = labels.good + labels.bad
    spans = (arm.latency_ms.p50, arm.latency_ms.p95)
    tokens = (arm.input_tokens, arm.output_tokens)
    per_good = arm.cost_per_good.cost_per_good
    scores = (arm.scores.get(name) for name in report.evaluators)
    return (
        f"{pictures.key(arm.arm)} {text(arm.arm)}",
        text(figures.share(say, labels.share, labels.ci95, n)),
        " / ".join(map(figures.span, spans)),
        figures.MISSING if imported else text(figures.money(say, arm.cost)),
        text(figures.money(say, per_good)) if labels.good and not imported else figures.MISSING,
        " / ".join(map(figures.short_count, tokens)) if any(tokens) else figures.MISSING,
        figures.count(arm.failed),
        *(text(figures.score(say, one.mean, one.ci95) if one else "") for one in scores),
    )


def cost_part(report: Report, say: Say) -> str:
    """Cost against quality, and latency, side by side where both are known."""
    pictures, drawn = Pictures([arm.arm for arm in report.arms]), list[str]()
    priced = [
        Priced(a.arm, float(a.cost) / a.succeeded, a.labels.share, *a.labels.ci95)
        for a in report.arms
        if a.cost and a.labels.share is not None and a.labels.ci95 is not None and a.succeeded
    ]
    if len(priced) > 1:
        best = pareto(priced)
        told = findings.cost(say, priced, best)
        picture = pictures.scatter(priced, told, say("charts.cost"))
        rows = [
            (
                text(one.arm), text(figures.money(say, f"{one.cost:.10f}")),
                figures.between(one.share, (one.low, one.high)),
                "✓" if one in best else figures.MISSING,
            )
            for one in priced
        ]  # fmt: skip
        heads = [say(f"columns.{name}") for name in ("arm", "cost_each", "share", "front")]
        drawn.append(figure(say("runs.chart_cost"), picture, told) + table(heads, rows))
    curves = [
        Curve(arm.arm, points)
        for arm, points in zip(report.arms, report.latencies, strict=True)
        if points
    ]
    if curves:
        told = findings.latency(say, report.arms)
        picture = pictures.curves(curves, told, say("charts.latency"))
        drawn.append(figure(say("runs.chart_latency"), picture, told))
    return (
        f'<div class="two">{"".join(f"<div>{one}</div>" for one in drawn)}</div>' if drawn else ""
    )


def slices_part(report: Report, say: Say) -> str:
    """Score by tag and split: picture and numbers, no words."""
    if not report.slices:
        return ""
    told = findings.slices(say, report.slices)
    named = {findings.part_name(say, one): one for one in report.slices}
    points = {
        name: [
            Point(arm.arm, arm.share, *arm.ci95, f"{arm.arm}   {figures.percent(arm.share)}")
            for arm in one.arms
            if arm.share is not None and arm.ci95 is not None
        ]
        for name, one in list(named.items())[:8]
    }
    on_scale = all(0 <= p.low <= p.high <= 1 for here in points.values() for p in here)
    pictures = Pictures([arm.arm for arm in report.arms])
    rows = [
        (text(name), str(one.n_cases), text(arm.arm), text(_share(say, arm)))
        for name, one in named.items()
        for arm in one.arms
        if arm.n
    ]
    heads = [say(f"columns.{name}") for name in ("part", "cases", "arm", "share")]
    drawn = figure("", pictures.slices(points, told), told) if on_scale else ""
    why = f'<p class="faint">{text(say("verdict.slices_why"))}</p>'
    inner = f'<div class="two"><div>{drawn}</div><div>{table(heads, rows)}</div></div>'
    return section(say("verdict.slices"), why, inner)


def steady_part(report: Report, say: Say) -> str:
    """pass@k, pass^k and flicker of a run with repeats."""
    rows = [
        (
            text(arm.arm),
            text(say("verdict.labels") if by == LABEL else by),
            str(one.deepest.k),
            str(one.deepest.n_cases),
            figures.between(one.deepest.pass_at_k, one.deepest.pass_at_k_ci95),
            figures.between(one.deepest.pass_hat_k, one.deepest.pass_hat_k_ci95),
            figures.between(one.flicker.flicker, one.flicker.ci95),
            figures.percent(one.flicker.two_disagree),
        )
        for arm, steady in zip(report.arms, report.steady, strict=True)
        for by, one in steady.items()
    ]
    if not rows:
        return ""
    names = ("arm", "by", "k", "cases", "pass_at", "pass_hat", "flicker", "two_disagree")
    why = f'<p class="faint">{text(say("runs.steadiness_why"))}</p>'
    return section(say("runs.steadiness"), why, table([say(f"columns.{n}") for n in names], rows))
