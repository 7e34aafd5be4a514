"""Helpers of the lessons: compare a guess, show a figure, make test images, find the 2014 weights."""

import numbers
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minigooglenet.hints import hint
from minigooglenet.weights.fetch import FILE, ONNX

from .catalog import ROOT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image

FIGURES = ROOT / "figures" / "lessons"

#: True with MINIGOOGLENET_QUICK=1 (``python -m lessons 16 --quick``). Lessons that train or time something then take
#: fewer steps with the same code; all other lessons ignore it.
QUICK = os.environ.get("MINIGOOGLENET_QUICK", "0") not in ("", "0")


def compare(what: str, guess: Any, outcome: Any) -> None:
    """Print a guess (a number, a word, or None) and the outcome. Never fails, whatever the guess is.

    compare("multiply-adds", guess_macs, 112_896_000)
    """
    print(f"{what}: {_text(outcome)}. {_verdict(guess, outcome)}")


def _verdict(guess, outcome):
    if guess is None:
        return "(No guess was written down.)"
    guessed = f"You guessed {_text(guess)}"
    if isinstance(guess, numbers.Real) and isinstance(outcome, numbers.Real):
        if guess == outcome:
            return f"{guessed}: exactly right."
        if guess <= 0 or outcome <= 0:
            return f"{guessed}: {_text(abs(guess - outcome))} {'too high' if guess > outcome else 'too low'}."
        high, times = guess > outcome, max(guess, outcome) / min(guess, outcome)
        way = "high" if high else "low"
        if times < 1.1:
            return f"{guessed}: within {100 * (times - 1):.1f} %, very close."
        if times < 2:
            return f"{guessed}: {100 * abs(guess - outcome) / outcome:.0f} % too {way}."
        return f"{guessed}: {times:,.1f} times too {way}. Worth finding out why."
    same = " ".join(str(guess).split()).casefold() == " ".join(str(outcome).split()).casefold()
    return f"{guessed}: right." if same else f"{guessed}. Worth finding out why."


def _text(value):
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:,.4g}" if isinstance(value, numbers.Real) and not isinstance(value, bool) else str(value)


def show(fig: "Figure", name: str, alt: str) -> None:
    """Save a figure as figures/lessons/NAME.png, and show it inline in a notebook.

    ``name`` begins with the lesson's number ("07_counter"). ``alt`` is the alternative text: a sentence that describes
    the figure.
    """
    path = FIGURES / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, format="png")
    if _in_notebook():
        from IPython.display import Image, display
        display(Image(data=path.read_bytes(), alt=alt, metadata={"alt": alt}))
    else:
        where = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        print(f"[figure: {where}]  {alt}")


def _in_notebook():
    ipython = sys.modules.get("IPython")
    shell = ipython and ipython.get_ipython()
    return bool(shell) and hasattr(shell, "kernel")


def weights_of_2014() -> Path | None:
    """The path of Caffe's weights: in the folder MINIGOOGLENET_CAFFE if it is set, else in datasets/.

    Returns None if the file does not exist, and prints one line that says how to get it.
    """
    path = Path(os.environ.get("MINIGOOGLENET_CAFFE") or ROOT / "datasets") / FILE
    if path.exists():
        return path
    if path.with_name(ONNX).exists():   # from the last of the sources of ``weights``
        print(f"{ONNX} is there, but the lessons read {FILE}; download that, and run:",
              hint("weights", f"--from-file {FILE}"))
    else:
        print("The weights of 2014 are not installed; download them (54 MB) with:", hint("weights"))
    return None


def traffic_light(W: int = 320, column: int = 160) -> np.ndarray:
    """A drawing of a traffic light, centered at ``column``, with sky behind it: uint8 (256, W, 3), RGB."""
    v, u = np.mgrid[0:256, 0:W]
    x = np.stack([120 + v / 4, 160 + v / 5, 215 + v / 12], axis=-1)  # the sky
    x[210:, column - 8:column + 8] = 70, 70, 75  # the pole
    x[30:222, column - 38:column + 38] = 35, 38, 40  # the box
    for row, color in ((64, (235, 40, 30)), (126, (90, 75, 20)), (188, (20, 80, 50))):
        x[(u - column) ** 2 + (v - row) ** 2 < 25 ** 2] = color
    return x.astype(np.uint8)


def portrait() -> "Image | None":
    """A photo of Grace Hopper from matplotlib's sample data: a PIL image, 512×600. None if the data is missing."""
    from matplotlib.cbook import get_sample_data
    from PIL import Image
    try:
        return Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)).convert("RGB")
    except OSError:  # some distributions package matplotlib without its sample data
        return None


def mosaic(tiles: np.ndarray, columns: int = 8) -> np.ndarray:
    """Images (M, h, w, 3), each scaled to [0, 1], arranged row by row in one white image with ``columns`` columns."""
    M, h, w, _ = tiles.shape
    sheet = np.ones((-(-M // columns) * (h + 1) - 1, columns * (w + 1) - 1, 3))
    for at, tile in enumerate(tiles):
        top, left = at // columns * (h + 1), at % columns * (w + 1)
        sheet[top:top + h, left:left + w] = (tile - tile.min()) / np.ptp(tile)
    return sheet


def show_images(axes: "Iterable[Axes]", images: Mapping[str, np.ndarray]) -> None:
    """Draw each of ``images``, {title: array}, in one of ``axes``, without ticks."""
    for ax, (title, image) in zip(axes, images.items(), strict=True):
        ax.imshow(image)
        ax.set_title(title)
        ax.axis("off")


def noisy_shapes(N: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (N, 32, 32, 3) and labels (N,): the shapes of Shapes-10, bright on dark, upright, very noisy."""
    from minigooglenet.data.shapes10 import SHAPES

    rng, labels = np.random.default_rng(seed), np.arange(N) % len(SHAPES)
    v, u = np.mgrid[0:32, 0:32] + 0.5
    x = np.empty((N, 32, 32, 3))
    for n, distance in enumerate(list(SHAPES.values())[k] for k in labels):
        radius, angle = rng.uniform(8, 13), rng.uniform(-0.35, 0.35)
        row, column = 16 + rng.uniform(-1, 1, 2) * (16 - 0.9 * radius)
        dv, du = (v - row) / radius, (u - column) / radius
        inside = distance(np.cos(angle) * du + np.sin(angle) * dv,
                          np.cos(angle) * dv - np.sin(angle) * du)
        cover = np.clip(inside * radius + 0.5, 0, 1)[..., None]
        ground, shape = rng.uniform(0, 110, 3), rng.uniform(145, 255, 3)
        x[n] = ground + cover * (shape - ground)
    return np.clip(x + rng.normal(0, 40, x.shape), 0, 255).astype(np.uint8), labels
