"""The explanation of a prediction in one figure."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..data.labels import short_label
from ..layers.base import Array
from .heatmaps import overlay
from .style import BLUE, GRAY, GREEN, INK, ORANGE, SKY, SMALL, caption, drawn, tint

#: The branches of a module: their label, color (as for boxes in other figures) and hatch pattern.
BRANCHES = {"1x1": ("1×1", tint(ORANGE, 0.5), ""), "3x3": ("3×3", tint(SKY, 0.8), "//"),
            "5x5": ("5×5", tint(BLUE, 0.75), ".."), "pool": ("pool", tint(GREEN, 0.45), "\\\\")}


@drawn
def explanation(image: Array, best: Sequence[Mapping[str, Any]], heat: Array, title: str,
                shares: Mapping[str, Mapping[str, float]], source: str = "") -> Figure:
    """A Figure with the image, the map of a class, the most probable classes, and the contributions of the branches.

    image   the network's input image, (H, W, 3) uint8
    best    [{"label", "probability"}], most probable first
    heat    (H, W), the map of a class; ``title`` is the text above it
    shares  {module: {branch: signed share}}, from ``interpret.cam.branch_shares``
    """
    fig = Figure(figsize=(7.2, 5.6 if shares else 3.2), dpi=150, layout="constrained")
    FigureCanvasAgg(fig)
    above: list[Any] = ["photo", "cam", "top"]
    axes = fig.subplot_mosaic([above, ["branches"] * 3] if shares else [above], width_ratios=(1, 1, 1.15),
                              height_ratios=(1, 1) if shares else (1,))
    axes["photo"].imshow(image, interpolation="bilinear")
    axes["photo"].axis("off")
    axes["photo"].set_title("input image")
    overlay(axes["cam"], image, np.maximum(heat, 0), title)
    _top(axes["top"], best)
    if shares:
        _branches(axes["branches"], shares)
    caption(fig, f"{short_label(best[0]['label'])}: {percent(best[0]['probability'])}", source)
    return fig


def percent(p: float) -> str:
    """``0.986 -> "98.6%"``; a small positive probability is ``"<0.1%"``, never 0."""
    return "<0.1%" if 0 < p < 0.0005 else f"{p:.1%}"


def _top(ax, best):
    bars = ax.barh(range(len(best)), [row["probability"] for row in best], height=0.32,
                   color=[BLUE] + [tint(BLUE, 0.55)] * (len(best) - 1))
    ax.bar_label(bars, [percent(row["probability"]) for row in best], padding=2, fontsize=SMALL)
    for y, row in enumerate(best):
        label = short_label(row["label"]).replace("$", r"\$")
        ax.text(0, y - 0.22, label if len(label) < 27 else label[:26] + "…", fontsize=8, va="bottom")
    ax.set(xlim=(0, 1.2), ylim=(len(best) - 0.7, -0.75))
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    ax.set_title("most probable classes")


def _branches(ax, shares):
    """A stacked bar for each module: branches that raise the score upward, those that lower it downward."""
    for x, branches in enumerate(shares.values()):
        up = down = 0
        for branch, share in branches.items():
            _, color, pattern = BRANCHES[kind(branch)]
            bottom = up if share >= 0 else down + share
            ax.bar(x, abs(share), 0.72, bottom=bottom, color=color, hatch=pattern, edgecolor=INK, linewidth=0.5)
            if abs(share) >= 0.12:
                ax.text(x, bottom + abs(share) / 2, f"{100 * share:+.0f}".replace("-", "−"), ha="center", va="center",
                        fontsize=SMALL, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85})
            up, down = up + max(share, 0), down + min(share, 0)
    ax.axhline(0, color=INK, linewidth=0.8)
    ax.set_xticks(range(len(shares)), shares)
    ax.tick_params(axis="x", length=0)
    ax.spines[["top", "right", "bottom"]].set_visible(False)
    ax.set_yticks([-1, 0, 1], ["lowers", "0", "raises"])
    ax.set(xlim=(-0.6, len(shares) - 0.4), ylim=(-1, 1.02))
    ax.set_title("contributions of the branches: share of gradient × activation in each module, in percent", loc="left")
    for name, color, pattern in BRANCHES.values():
        ax.bar(0, 0, color=color, hatch=pattern, edgecolor=INK, linewidth=0.5, label=name)
    ax.legend(ncols=4, loc="upper left", bbox_to_anchor=(0, -0.1), frameon=False, fontsize=8, labelcolor=INK)
    ax.yaxis.label.set_color(GRAY)


def kind(branch: str) -> str:
    """The key of BRANCHES for a branch that goes by the name of its last convolution or pool."""
    return branch if branch in BRANCHES else "pool"
