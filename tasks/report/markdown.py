"""The report in short, as Markdown for the artifact in Prefect's UI."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tasks.report import words
from tasks.report.summary import RunSummary
from tasks.report.trust import Trust, audit_in_words, outcome

_LONGEST = 120
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|~$:@])")


def render_markdown(summary: RunSummary) -> str:
    """Decision, stages, rounds, a few answers and what it cost."""
    parts = [f"# {words.headline(summary)}", *(words.decision_in_words(gate) for gate in summary.gates)]
    if not summary.gates:
        parts.append(words.decision_in_words(None))
    parts += [_stages(summary), _rounds(summary), _trust(summary.trust), _answers(summary), _costs(summary)]
    if summary.report:
        parts.append(f"The whole report: {code(summary.report)}")
    return "\n\n".join(part for part in parts if part) + "\n"


def cell(text: str, longest: int = _LONGEST) -> str:
    """Untrusted text as one line that means nothing to Markdown or HTML, cut to `longest` characters."""
    line = " ".join(text.split())
    line = line if len(line) <= longest else line[: longest - 1] + "…"
    line = _SPECIAL.sub(r"\\\1", line)
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def code(text: str) -> str:
    """Trusted text (a path, a digest) as inline code."""
    return "`" + text.replace("`", "'") + "`"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; the first column is text, the others are numbers."""
    names = list(head)
    lines = [names, [":--", *["--:"] * (len(names) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _stages(summary: RunSummary) -> str:
    if not summary.stages:
        return ""
    rows = [
        (
            cell(words.stage_name(stage.name)) + (" ★" if stage.digest == summary.champion.digest else ""),
            words.percent(stage.accuracy),
            f"{100 * stage.low:.1f} – {words.percent(stage.high)}",
            words.number(stage.items),
        )
        for stage in summary.stages
    ]
    return "## Accuracy\n\n" + _table(("stage", "accuracy", "95 % interval", "items"), rows) + "\n\n★ champion now"


def _rounds(summary: RunSummary) -> str:
    if not summary.rounds:
        return ""
    head = ("round", "prompts", "draws", "accepted", "solved", "distinct a prompt", "kept", "trained rows")
    rows = [
        (
            str(one.number),
            words.number(one.prompts),
            words.number(one.draws),
            words.percent(one.accepted_share),
            words.number(one.solved),
            f"{one.distinct_per_prompt:.2f}",
            words.number(one.kept),
            words.number(one.trained_rows),
        )
        for one in summary.rounds
    ]
    return "\n\n".join(["## Rounds", _table(head, rows), *_dropped(summary)])


def _dropped(summary: RunSummary) -> list[str]:
    reasons = words.drop_reasons(summary.rounds)
    head = ("not kept because of", *(f"round {one.number}" for one in summary.rounds))
    rows = [(cell(name), *(words.number(one.dropped.get(name, 0)) for one in summary.rounds)) for name in reasons]
    return [_table(head, rows)] if rows else []


def _trust(trust: Trust) -> str:
    parts = [_self_test(trust), cell(told, len(told)) if (told := audit_in_words(trust)) else "", _precision(trust)]
    parts = [part for part in parts if part]
    return "\n\n".join(["## How far the verdicts can be trusted", *parts]) if parts else ""


def _self_test(trust: Trust) -> str:
    head = ("verifier", "wrong accepted", "upper 95 % bound", "right not accepted", "upper 95 % bound", "self-test")
    rows = [
        (
            cell(one.verifier),
            f"{words.number(one.accepted_wrong)} of {words.number(one.wrong)}",
            words.percent(one.false_positives),
            f"{words.number(one.missed_right)} of {words.number(one.right)}" if one.right else "–",
            "–" if one.false_negatives is None else words.percent(one.false_negatives),
            outcome(one),
        )
        for one in trust.verifiers
    ]
    return _table(head, rows) if rows else ""


def _precision(trust: Trust) -> str:
    head = ("pass rate of the prompt", "judged twice", "agreed", "95 % interval")
    rows = [
        (one.name, words.number(one.judged), words.percent(one.share), f"{100 * one.low:.1f} – {words.percent(one.high)}")
        for one in trust.deciles
    ]
    return _table(head, rows) if rows else ""


def _answers(summary: RunSummary) -> str:
    if not summary.answers:
        return ""
    lines = [
        f"- **{cell(one.state)}** (round {one.round}): {cell(one.prompt)} → {cell(one.response)}" for one in summary.answers
    ]
    return "## Answers\n\n" + "\n".join(lines)


def _costs(summary: RunSummary) -> str:
    tasks, seconds = summary.tasks, summary.seconds
    return (
        f"## Cost\n\n{words.duration(seconds.wall)} of wall time, {words.duration(seconds.compute)} of compute in stages; "
        f"{words.number(summary.tokens.generated)} tokens generated, {words.number(summary.tokens.trained)} label tokens "
        f"trained; {tasks.run} tasks run, {tasks.cached} read from the cache, {tasks.failed} failed; "
        f"most memory, all processes together: {words.size(summary.peak_bytes)}."
    )
