"""Why the network says what it says, on one page."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..inference.labels import short_label
from .heatmaps import overlay
from .style import BLUE, GREEN, GREY, INK, ORANGE, SKY, SMALL, caption, drawn, tint

#: The branches of a module: how they are called, their colour (as on the boxes of the other figures) and a pattern.
BRANCHES = {"1x1": ("1×1", tint(ORANGE, 0.5), ""), "3x3": ("3×3", tint(SKY, 0.8), "//"),
            "5x5": ("5×5", tint(BLUE, 0.75), ".."), "pool": ("pool", tint(GREEN, 0.45), "\\\\")}


@drawn
def explanation(picture, best, heat, where, shares, source=""):
    """A Figure: the photo and the map of its first class, the five most probable classes, and the branches.

    picture  (H, W, 3) uint8, as the network sees it;   best  [{"label", "probability"}], most probable first
    heat     (H, W), where the class was seen; ``where`` says by which method
    shares   {module: {branch: signed share}}, as ``inside.cam.branch_shares`` gives
    """
    fig = Figure(figsize=(7.2, 5.6 if shares else 3.2), dpi=150, layout="constrained")
    FigureCanvasAgg(fig)
    above = ["photo", "cam", "top"]
    axes = fig.subplot_mosaic([above, ["branches"] * 3] if shares else [above], width_ratios=(1, 1, 1.15),
                              height_ratios=(1, 1) if shares else (1,))
    axes["photo"].imshow(picture, interpolation="bilinear")
    axes["photo"].axis("off")
    axes["photo"].set_title("what the network sees")
    overlay(axes["cam"], picture, np.maximum(heat, 0), where)
    _top(axes["top"], best)
    if shares:
        _branches(axes["branches"], shares)
    caption(fig, f"{short_label(best[0]['label'])}: {percent(best[0]['probability'])}", source)
    return fig


def percent(p):
    """``0.986 -> "98.6%"``; what is not nothing never reads as 0."""
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
    ax.set_title("the most probable")


def _branches(ax, shares):
    """Bars upward for branches that spoke for the class, downward for those against it."""
    for x, branches in enumerate(shares.values()):
        up = down = 0
        for branch, share in branches.items():
            _, colour, pattern = BRANCHES[kind(branch)]
            bottom = up if share >= 0 else down + share
            ax.bar(x, abs(share), 0.72, bottom=bottom, color=colour, hatch=pattern, edgecolor=INK, linewidth=0.5)
            if abs(share) >= 0.12:
                ax.text(x, bottom + abs(share) / 2, f"{100 * share:+.0f}".replace("-", "−"), ha="center", va="center",
                        fontsize=SMALL, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85})
            up, down = up + max(share, 0), down + min(share, 0)
    ax.axhline(0, color=INK, linewidth=0.8)
    ax.set_xticks(range(len(shares)), shares)
    ax.tick_params(axis="x", length=0)
    ax.spines[["top", "right", "bottom"]].set_visible(False)
    ax.set_yticks([-1, 0, 1], ["against", "0", "for"])
    ax.set(xlim=(-0.6, len(shares) - 0.4), ylim=(-1, 1.02))
    ax.set_title("which branches mattered: share of gradient × activation in each module, in percent", loc="left")
    for name, colour, pattern in BRANCHES.values():
        ax.bar(0, 0, color=colour, hatch=pattern, edgecolor=INK, linewidth=0.5, label=name)
    ax.legend(ncols=4, loc="upper left", bbox_to_anchor=(0, -0.1), frameon=False, fontsize=8, labelcolor=INK)
    ax.yaxis.label.set_color(GREY)


def kind(branch):
    """The key of BRANCHES for a branch by the name of its last convolution or pool."""
    return branch if branch in BRANCHES else "pool"
