"""Photos beside what a network says is on them."""

from .style import BLUE, SMALL, drawn, figure, tint

LONGEST = 34    # letters of a label


@drawn
def prediction(answers):
    """A Figure with a row for each photo: the picture, and a bar for each class, the best on top.

    answers: [(title, PIL image, [{"label", "probability"}, ...]), ...].
    """
    fig, axes = figure(len(answers), 2, width=6.4, height=1.9 * len(answers), squeeze=False,
                       width_ratios=(1, 1.6))
    for (title, image, best), (left, right) in zip(answers, axes, strict=True):
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
    text = text.replace("$", r"\$")     # matplotlib would take it for mathematics
    return text if len(text) <= LONGEST else text[:LONGEST - 1] + "…"
