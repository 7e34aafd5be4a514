"""Learning curves: of one training run, and of several to compare."""

from collections.abc import Mapping, Sequence
from typing import IO, Any

from matplotlib.figure import Figure

from .style import COLORS, GRAY, drawn, figure

Rows = Sequence[Mapping[str, Any]]
FULL_SIZE = "full-size images from here"


@drawn
def draw_curve(history: Rows, file: IO[bytes], steps: Rows = (), halved: int = 0) -> None:
    """Write loss and accuracy to ``file`` as PNG.

    history: a row for each epoch, as the trainer records it: the accuracy of test images, or of validation images in
    fine-tuning. steps: rows within the epochs, as ``training/steps.py`` records them; without them epochs are drawn.
    halved: the number of first epochs on images of half the size. Where they end both curves jump, so a line marks it.
    """
    fig, (left, right) = figure(1, 2, width=8, height=3.4, layout=None)     # fixed margins: twice as fast
    fig.subplots_adjust(left=0.095, right=0.985, bottom=0.235, top=0.93, wspace=0.19)
    measured, name = ("test_accuracy", "test, averaged weights") if "test_accuracy" in history[0] else (
        "validation_accuracy", "validation")
    fine, style = (steps, "-") if steps else (history, "o-")
    left.plot([row["epoch"] for row in fine], [row["loss"] for row in fine], style, color=COLORS[0])
    right.plot([row["epoch"] for row in fine], [100 * row["train_accuracy"] for row in fine], style, color=COLORS[0],
               label=f"training, augmented: {history[-1]['train_accuracy']:.1%}")
    right.plot([row["epoch"] for row in history], [100 * row[measured] for row in history], "s-", color=COLORS[1],
               label=f"{name}: {history[-1][measured]:.1%}")
    _label(left, right)
    if 0 < halved < fine[-1]["epoch"]:
        side, dx = ("left", 3) if halved < 0.6 * fine[-1]["epoch"] else ("right", -3)
        for ax, at, va in ((left, 1, "top"), (right, 0, "bottom")):
            low, high = ax.get_ylim()
            ax.set_ylim(low - 0.08 * (1 - at) * (high - low), high + 0.08 * at * (high - low))  # room for the text
            _mark(ax, halved)
            ax.annotate(FULL_SIZE, (halved, at), (dx, 3 - 6 * at), ax.get_xaxis_transform(), "offset points",
                        color=GRAY, ha=side, va=va)
    right.legend(frameon=False, loc="upper right", bbox_to_anchor=(1, -0.2), ncols=2)    # below the axes
    fig.savefig(file, format="png")


@drawn
def compare_curves(runs: Mapping[str, tuple[Rows, Rows, int]]) -> Figure:
    """The loss and the accuracy of several runs, one color each.

    runs: {name: (rows of the epochs, rows within them, number of first epochs on halved images)}, as in ``draw_curve``.
    """
    fig, (left, right) = figure(1, 2, width=8, height=3.4 + 0.2 * len(runs))
    ends = set()
    for i, (name, (history, steps, halved)) in enumerate(runs.items()):
        color, line = COLORS[i % len(COLORS)], ("-", "--", ":")[i // len(COLORS) % 3]
        fine = steps or history
        left.plot([row["epoch"] for row in fine], [row["loss"] for row in fine], line, color=color)
        measured = [(row["epoch"], row.get("test_accuracy", row.get("validation_accuracy"))) for row in history]
        right.plot([epoch for epoch, _ in measured], [100 * value for _, value in measured], line, marker="s",
                   markersize=3, color=color, label=name.replace("$", r"\$"))
        ends |= {halved} if 0 < halved < fine[-1]["epoch"] else set()
    for epoch in ends:
        _mark(left, epoch)
        _mark(right, epoch).set_label(FULL_SIZE if epoch == max(ends) else None)
    _label(left, right)
    right.set_title("accuracy after each epoch")
    fig.legend(frameon=False, loc="outside lower left")
    return fig


def _mark(ax, epoch):
    return ax.axvline(epoch, color=GRAY, linestyle=":", linewidth=0.8, zorder=0)


def _label(left, right):
    left.set(xlabel="epoch", ylabel="training loss", title="loss of the main classifier")
    right.set(xlabel="epoch", ylabel="accuracy in %", title="accuracy")
    for ax in (left, right):
        ax.set_xlim(left=0)
