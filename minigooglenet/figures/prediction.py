"""Photos with their predicted classes."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from .style import BLUE, GRAY, SMALL, drawn, figure, tint

LONGEST = 34    # characters of a label

#: left, top, right, bottom of a part of an image, as fractions of its width and height
Frame = tuple[float, float, float, float]


@drawn
def prediction(predictions: Sequence[tuple[str, Image.Image, Sequence[Mapping[str, Any]], Frame | None]]) -> Figure:
    """A row for each photo: the image, and a bar for each class, the most probable on top.

    predictions: [(title, image, [{"label", "probability"}, …], frame), …]. The network sees the part of the image in
    the frame, and the rest is dimmed; without a frame it sees all.
    """
    fig, axes = figure(len(predictions), 2, width=6.4, height=1.9 * len(predictions) + 0.15, squeeze=False,
                       width_ratios=(1, 1.6))
    for (title, image, best, frame), (left, right) in zip(predictions, axes, strict=True):
        left.imshow(image)
        left.axis("off")
        left.set_title(_shorter(title), fontsize=SMALL)
        if frame is not None:
            _draw_frame(left, image.size, frame)
        bars = right.barh(range(len(best)), [100 * row["probability"] for row in best], height=0.7,
                          color=[BLUE] + [tint(BLUE, 0.55)] * (len(best) - 1))
        right.bar_label(bars, [f"{row['probability']:.1%}" for row in best], padding=2, fontsize=SMALL)
        right.set_yticks(range(len(best)), [_shorter(row["label"].split(",")[0]) for row in best])
        right.set(xlim=(0, 115), ylim=(len(best) - 0.4, -0.6))
        right.set_xticks([])
        right.spines["bottom"].set_visible(False)
        right.tick_params(axis="y", length=0)
    if any(frame for *_, frame in predictions):
        fig.supxlabel("The network sees the part of the photo in the frame.", x=0.012, ha="left", fontsize=SMALL,
                      color=GRAY)
    return fig


def _draw_frame(ax, size, frame):
    """Dim the image outside the frame, and draw the frame just inside it."""
    width, height = size
    left, top, right, bottom = (part * (width, height)[i % 2] - 0.5 for i, part in enumerate(frame))
    for x, y, x1, y1 in ((-0.5, -0.5, width - 0.5, top), (-0.5, bottom, width - 0.5, height - 0.5),
                         (-0.5, top, left, bottom), (right, top, width - 0.5, bottom)):
        ax.add_patch(Rectangle((x, y), x1 - x, y1 - y, facecolor="white", alpha=0.6, linewidth=0))
    for color, thick in (("white", 2.4), (BLUE, 1.2)):
        ax.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=color, linewidth=thick))


def _shorter(text):
    text = text.replace("$", r"\$")     # not the start of a formula
    return text if len(text) <= LONGEST else text[:LONGEST - 1] + "…"
