"""Pictures of a run: PNG bytes by matplotlib's object API (no global state), once for light and once for dark pages.

Colours are Okabe and Ito's, which colour-blind readers can tell apart ("Color Universal Design", 2008); lines differ by dash
as well. Figures are narrow, so that a telephone need not shrink the letters.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.report.summary import StageScore, TrainingFigures
from tasks.report.words import percent, stage_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _DPI = 4.8, 200
_DASHES = ("-", "--", "-.", ":")


@dataclass(frozen=True)
class Theme:
    """Colours of a picture: text and axes, faint lines, and the data's, all on a transparent ground."""

    ink: str
    faint: str
    first: str
    highlight: str
    lines: tuple[str, ...]


LIGHT = Theme("#3b4149", "#dfe3e8", "#0072B2", "#D55E00", ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"))
DARK = Theme("#c4cad2", "#343a42", "#56B4E9", "#E69F00", ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442"))


def stages_plot(stages: list[StageScore], champion: str, theme: Theme) -> bytes:
    """Accuracy with its 95 % interval, a row a stage, first at the top; the champion's (by digest) in another colour."""
    figure, axes = _canvas(0.9 + 0.42 * len(stages), theme)
    for row, stage in enumerate(stages):
        is_champion = bool(champion) and stage.digest == champion
        colour = theme.highlight if is_champion else theme.first
        axes.plot([100 * stage.low, 100 * stage.high], [row, row], color=colour, linewidth=2.5, solid_capstyle="butt")
        axes.plot([100 * stage.accuracy], [row], "D" if is_champion else "o", color=colour, markersize=8)
        axes.annotate(
            percent(stage.accuracy),
            (100 * stage.high, row),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            color=theme.ink,
            fontsize=10,
        )
    axes.set_yticks(range(len(stages)), [stage_name(stage.name) for stage in stages])
    axes.set_ylim(len(stages) - 0.4, -0.6)
    axes.set_xlim(0, min(118.0, 100 * max(stage.high for stage in stages) * 1.2 + 4))
    axes.locator_params(axis="x", nbins=5)
    axes.set_xticks([tick for tick in axes.get_xticks() if 0 <= tick <= axes.get_xlim()[1] and tick <= 100])
    axes.set_xlabel("right answers, %")
    axes.grid(axis="x", color=theme.faint, linewidth=0.8)
    return _png(figure)


def loss_plot(trainings: list[TrainingFigures], theme: Theme) -> bytes:
    """Loss per label token by optimizer step, a line a training."""
    figure, axes = _canvas(3.1, theme)
    for index, training in enumerate(trainings):
        steps, losses = zip(*training.loss, strict=True)
        axes.plot(
            steps,
            losses,
            _DASHES[index % len(_DASHES)],
            color=theme.lines[index % len(theme.lines)],
            linewidth=1.8,
            marker="o" if len(steps) == 1 else "",
            label=training.of,
        )
    axes.set_xlabel("optimizer step")
    axes.set_ylabel("loss per label token")
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color=theme.faint, linewidth=0.8)
    axes.legend(frameon=False, labelcolor=theme.ink, fontsize=9.5, handlelength=2.8)
    return _png(figure)


def _canvas(height: float, theme: Theme) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    axes.set_axisbelow(True)
    axes.tick_params(colors=theme.ink, length=0, labelsize=10)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(theme.faint)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(theme.ink)
        label.set_fontsize(10)
    return figure, axes


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})  # without a version: equal in, equal out
    return buffer.getvalue()
