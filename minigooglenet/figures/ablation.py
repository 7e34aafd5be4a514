"""The error against the number of models and crops: the paper's Table 3, and measured tables."""

import itertools
from typing import NamedTuple

from matplotlib.figure import Figure

from .style import BLUE, GRAY, SMALL, VERMILION, caption, drawn, figure


class Series(NamedTuple):
    """A table of errors in %: ``rows`` are (models, crops, error), ``measure`` names the error."""
    title: str
    rows: tuple[tuple[int, int, float], ...]
    measure: str = "top-5 error"
    source: str = ""


#: Szegedy et al. 2014, Table 3, as printed, without the last column, which has one error (3.45 for 3.40).
TABLE_3 = Series("the paper: GoogLeNet on ImageNet", (
    (1, 1, 10.07), (1, 10, 9.15), (1, 144, 7.89), (7, 1, 8.09), (7, 10, 7.62), (7, 144, 6.67)),
    source="The paper: Szegedy et al. 2014, Table 3, ILSVRC 2014 validation images.")

STYLES = ((VERMILION, "o-"), (BLUE, "s-"), ("#000000", "D-"), (GRAY, "^-"))


@drawn
def ablation(*series: Series) -> Figure:
    """The error against the number of crops: a panel for each Series (default: TABLE_3), with a line for each number of
    models. Points are labeled with the error and the cost, models × crops. Each panel has its own scale, since the data
    sets may differ."""
    series = series or (TABLE_3,)
    fig, axes = figure(1, len(series), width=max(6.0, 4.1 * len(series)), height=3.6, squeeze=False)
    for ax, table in zip(axes[0], series, strict=True):
        _panel(ax, table)
    errors = [error for *_, error in series[0].rows]
    caption(fig, f"More crops and more models: {series[0].measure} from {max(errors):.4g} % to {min(errors):.4g} %",
            "Softmax outputs are averaged over crops and models. Passes: models × crops, the number of forward passes "
            f"per image. {' '.join(table.source for table in series)}")
    return fig


def _label_position(before, after, above):
    """The side of a point (above or below, left or right) where a label does not overlap its line.

    before, after: how much higher the line is at the neighboring points.
    """
    sign = 1 if above else -1
    left, right = sign * before > 0, sign * after > 0  # the line is on the label's side there
    if left and right:  # a corner that points away from the label
        sign, left, right = -sign, False, False
    return {"va": "bottom" if sign > 0 else "top", "xytext": (0, 5 * sign),
            "ha": "left" if left else "right" if right else "center"}


def _panel(ax, table):
    errors = [error for *_, error in table.rows]
    crops = sorted({row[1] for row in table.rows})
    lines = {models: [(crops.index(c), error, models * c) for m, c, error in sorted(table.rows) if m == models]
             for models in sorted({row[0] for row in table.rows})}
    highest = max(lines, key=lambda models: sum(error for _, error, _ in lines[models]) / len(lines[models]))
    span = (max(errors) - min(errors)) or 1
    last = sorted(points[-1][1] for points in lines.values())
    crowded = any(above - below < 0.15 * span for below, above in itertools.pairwise(last))
    for (models, points), (color, mark) in zip(lines.items(), STYLES * len(lines), strict=False):
        ax.plot([x for x, *_ in points], [error for _, error, _ in points], mark, color=color, markersize=5,
                linewidth=1.4)
        upper = models == highest
        for k, (x, error, passes) in enumerate(points):
            before, after = points[max(k - 1, 0)][1] - error, points[min(k + 1, len(points) - 1)][1] - error
            side = _label_position(before, after, upper)
            ax.annotate(f"{error:.4g} %\n{passes:,} {'pass' if passes == 1 else 'passes'}", (x, error),
                        textcoords="offset points", fontsize=SMALL, linespacing=1.2, multialignment="center", **side)
        x, error, _ = points[-1]
        level = {"va": "center", "xytext": (22, -4)}
        if side["va"] == "top" and side["ha"] == "left":  # the error label is where the name would be
            level = {"va": "bottom", "xytext": (22, 0)}
        if crowded:
            level = {"va": "bottom", "xytext": (22, -8)} if upper else {"va": "top", "xytext": (22, -9)}
        ax.annotate(f"{models} {'model' if models == 1 else 'models'}", (x, error), textcoords="offset points",
                    color=color, fontweight="bold", **level)
    ax.set(xlim=(-0.5, len(crops) - 0.15), ylim=(min(errors) - 0.3 * span, max(errors) + 0.3 * span),
           xlabel="crops", ylabel=f"{table.measure} in %")
    ax.set_xticks(range(len(crops)), [f"{c:,}" for c in crops])
    ax.set_title(table.title, loc="left")
