"""The page of a run: one HTML file that needs nothing beside it.

Model text is untrusted. Jinja escapes everything, and the page's content security policy forbids scripts and every request,
so that even a mistake in here could neither run nor fetch anything.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tasks.report import words
from tasks.report.plots import DARK, LIGHT, Theme, loss_plot, stages_plot
from tasks.report.summary import RunSummary
from tasks.report.trust import audit_in_words, outcome

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Picture:
    """A plot as data URIs, for light and for dark pages, and in words for those who cannot see it."""

    light: str
    dark: str
    alt: str


def render_html(summary: RunSummary) -> str:
    """The whole report as one self-contained HTML page."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": words.percent,
        "number": words.number,
        "duration": words.duration,
        "size": words.size,
        "stage": words.stage_name,
        "p": words.p_text,
        "pretty": lambda data: json.dumps(data, indent=2, ensure_ascii=False),
        "link": _file_link,
        "outcome": outcome,
    }
    return environment.get_template("report.html.jinja").render(
        run=summary,
        headline=words.headline(summary),
        words=words.decision_in_words,
        reasons=words.drop_reasons(summary.rounds),
        audit_words=audit_in_words(summary.trust),
        css=(_HERE / "report.css").read_text(),
        stages_picture=_stages_picture(summary),
        loss_picture=_loss_picture(summary),
        slowest=max((cost.seconds for cost in summary.costs), default=0.0),
        champion_score=_champion_accuracy(summary),
    )


def _stages_picture(summary: RunSummary) -> Picture | None:
    if not summary.stages:
        return None
    told = ", ".join(f"{words.stage_name(s.name)} {words.percent(s.accuracy)}" for s in summary.stages)
    return _picture(
        lambda theme: stages_plot(summary.stages, summary.champion.digest, theme), f"Accuracy with intervals: {told}."
    )


def _loss_picture(summary: RunSummary) -> Picture | None:
    curves = [training for training in summary.trainings if training.loss]
    if not curves:
        return None
    told = ", ".join(f"{one.of} {one.loss[0][1]:.2f} to {one.loss[-1][1]:.2f}" for one in curves)
    return _picture(lambda theme: loss_plot(curves, theme), f"Loss by step, first to last: {told}.")


def _picture(draw: Callable[[Theme], bytes], alt: str) -> Picture:
    light, dark = ("data:image/png;base64," + base64.b64encode(draw(theme)).decode() for theme in (LIGHT, DARK))
    return Picture(light, dark, alt)


def _champion_accuracy(summary: RunSummary) -> float | None:
    for stage in summary.stages:
        if stage.digest and stage.digest == summary.champion.digest:
            return stage.accuracy
    return None


def _file_link(path: str) -> str:
    """A local path as a link; empty for an address that a page may not open (a store on S3)."""
    place = Path(path)
    return place.as_uri() if place.is_absolute() else ""
