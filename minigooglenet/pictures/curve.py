"""The learning curve of a training run."""

from .style import COLOURS, drawn, figure


@drawn
def draw_curve(history, file):
    """Loss and accuracy by epoch, as PNG into ``file``. ``history`` as the trainer keeps it."""
    fig, (left, right) = figure(1, 2, width=8, height=3.2)
    epochs = [row["epoch"] for row in history]
    left.plot(epochs, [row["loss"] for row in history], "o-", color=COLOURS[0])
    left.set(xlabel="epoch", ylabel="training loss", title="loss of the main classifier")
    right.plot(epochs, [100 * row["train_accuracy"] for row in history], "o-", color=COLOURS[0])
    right.plot(epochs, [100 * row["test_accuracy"] for row in history], "s-", color=COLOURS[1])
    right.set(xlabel="epoch", ylabel="accuracy in %", title="accuracy")
    for name, colour, key in (("training, augmented", COLOURS[0], "train_accuracy"),
                              ("test, averaged weights", COLOURS[1], "test_accuracy")):
        right.plot([], [], color=colour, label=f"{name}: {history[-1][key]:.1%}")
    right.legend(frameon=False, loc="lower right")
    fig.savefig(file, format="png")
