"""The figure of the capstone: the learning curve, and images that the network has never seen."""

import numpy as np

from minigooglenet.data.shapes10 import CLASSES
from minigooglenet.figures.style import BLUE, GRAY, GREEN, VERMILION, figure
from minigooglenet.layers.base import Array

from .helpers import show


def draw(done, claim: str, x: Array, labels: Array, p: Array) -> None:
    """``done`` is a Training; x (12, side, side, 3) from -1 to 1, their labels and probabilities (12, 10)."""
    fig, axes = figure(2, 8, width=9, height=3.4, width_ratios=[2.6, 0.5, 1, 1, 1, 1, 1, 1])
    grid = axes[0, 0].get_gridspec()
    for ax in axes[:, :2].flat:
        ax.remove()
    curve = fig.add_subplot(grid[:, :2])
    steps = np.arange(1, len(done.losses) + 1)
    width = max(1, len(steps) // 40)
    mean = np.convolve(done.losses, np.ones(width) / width, "valid") if done.losses else []
    curve.plot(steps, done.losses, color=BLUE, alpha=0.2, lw=0.6)
    curve.plot(steps[width - 1:], mean, color=BLUE, lw=1.8)
    curve.axhline(np.log(10), color=GRAY, lw=0.7, ls=":")
    curve.set(xlabel="step", ylabel="loss (blue)", ylim=(0, 2.8))
    curve.spines["top"].set_visible(False)
    right = curve.twinx()
    right.plot(*zip(*done.tests, strict=True), "-o", color=VERMILION, ms=3)
    right.set(ylim=(0, 1), yticks=(0, 0.5, 1), yticklabels=("0", "50%", "100%"), ylabel="test accuracy (red)")
    right.spines["top"].set_visible(False)
    for ax, image, label, one in zip(axes[:, 2:].flat, x, labels, p, strict=False):
        best = int(one.argmax())
        ax.imshow(np.clip((image + 1) / 2, 0, 1))
        ax.set_title(f"{CLASSES[best]}\n{one[best]:.0%}", color=GREEN if best == label else VERMILION, fontsize=7)
        ax.axis("off")
    fig.suptitle(claim, x=0.012, ha="left", fontsize=10, fontweight="bold")
    accuracy = done.tests[-1][1] if done.tests else 0.0
    show(fig, "22_mine", f"Left: the loss over {len(done.losses):,} steps of training, and the accuracy on new images, "
         f"which ends at {accuracy:.0%}. Right: twelve new images with the predicted class and its probability.")
