"""The learning curve of a training run."""

from collections.abc import Mapping, Sequence
from typing import IO, Any

from .style import COLORS, drawn, figure


@drawn
def draw_curve(history: Sequence[Mapping[str, Any]], file: IO[bytes]) -> None:
    """Write loss and accuracy by epoch to ``file`` as PNG. ``history`` has a row for each epoch, as the trainer records
    it."""
    fig, (left, right) = figure(1, 2, width=8, height=3.2)
    epochs = [row["epoch"] for row in history]
    left.plot(epochs, [row["loss"] for row in history], "o-", color=COLORS[0])
    left.set(xlabel="epoch", ylabel="training loss", title="loss of the main classifier")
    right.plot(epochs, [100 * row["train_accuracy"] for row in history], "o-", color=COLORS[0])
    right.plot(epochs, [100 * row["test_accuracy"] for row in history], "s-", color=COLORS[1])
    right.set(xlabel="epoch", ylabel="accuracy in %", title="accuracy")
    for name, color, key in (("training, augmented", COLORS[0], "train_accuracy"),
                              ("test, averaged weights", COLORS[1], "test_accuracy")):
        right.plot([], [], color=color, label=f"{name}: {history[-1][key]:.1%}")
    right.legend(frameon=False, loc="lower right")
    fig.savefig(file, format="png")
