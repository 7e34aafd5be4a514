"""Photos with their predicted classes."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from PIL import Image

from .style import BLUE, SMALL, drawn, figure, tint

LONGEST = 34    # characters of a label


@drawn
def prediction(predictions: Sequence[tuple[str, Image.Image, Sequence[Mapping[str, Any]]]]) -> Figure:
    """A row for each photo: the image, and a bar for each class, the most probable on top.

    predictions: [(title, image, [{"label", "probability"}, …]), …].
    """
    fig, axes = figure(len(predictions), 2, width=6.4, height=1.9 * len(predictions), squeeze=False,
                       width_ratios=(1, 1.6))
    for (title, image, best), (left, right) in zip(predictions, axes, strict=True):
        left.imshow(image)
        left.axis("off")
        left.set_title(_shorter(title), fontsize=SMALL)
        bars = right.barh(range(len(best)), [100 * row["probability"] for row in best], height=0.7,
                          color=[BLUE] + [tint(BLUE, 0.55)] * (len(best) - 1))
        right.bar_label(bars, [f"{row['probability']:.1%}" for row in best], padding=2, fontsize=SMALL)
        right.set_yticks(range(len(best)), [_shorter(row["label"].split(",")[0]) for row in best])
        right.set(xlim=(0, 115), ylim=(len(best) - 0.4, -0.6))
        right.set_xticks([])
        right.spines["bottom"].set_visible(False)
        right.tick_params(axis="y", length=0)
    return fig


def _shorter(text):
    text = text.replace("$", r"\$")     # not the start of a formula
    return text if len(text) <= LONGEST else text[:LONGEST - 1] + "…"
