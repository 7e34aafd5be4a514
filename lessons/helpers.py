"""What a lesson needs besides the library: compare a guess, show a figure, pictures to look at, the 2014 weights."""

import numbers
import os
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ROOT / "figures" / "lessons"

#: True with MINIGOOGLENET_QUICK=1 (``python -m lessons 12 --quick``): fewer steps, the same code. Lessons that train
#: or time something choose smaller numbers by it; all others ignore it.
QUICK = os.environ.get("MINIGOOGLENET_QUICK", "0") not in ("", "0")


def compare(what, guess, outcome):
    """Print a guess (a number, a word, or None for none) beside what came out. Never fails, whatever the guess is.

    compare("multiply-adds", guess_macs, 112_896_000)
    """
    print(f"{what}: {_text(outcome)}. {_verdict(guess, outcome)}")


def _verdict(guess, outcome):
    if guess is None:
        return "(No guess was written down.)"
    said = f"You guessed {_text(guess)}"
    if isinstance(guess, numbers.Real) and isinstance(outcome, numbers.Real):
        if guess == outcome:
            return f"{said}: exactly right."
        if guess <= 0 or outcome <= 0:
            return f"{said}: {_text(abs(guess - outcome))} {'too high' if guess > outcome else 'too low'}."
        high, times = guess > outcome, max(guess, outcome) / min(guess, outcome)
        way = "high" if high else "low"
        if times < 1.1:
            return f"{said}: within {100 * (times - 1):.1f} %, very close."
        if times < 2:
            return f"{said}: {100 * abs(guess - outcome) / outcome:.0f} % too {way}."
        return f"{said}: {times:,.1f} times too {way}. Worth finding out why."
    same = " ".join(str(guess).split()).casefold() == " ".join(str(outcome).split()).casefold()
    return f"{said}: right." if same else f"{said}. Worth finding out why."


def _text(value):
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:,.4g}" if isinstance(value, numbers.Real) and not isinstance(value, bool) else str(value)


def show(fig, name, alt):
    """Show a figure: inline in a notebook; run as a script, as figures/lessons/NAME.png.

    ``name`` begins with the lesson's number ("05_counter"); ``alt`` says in a sentence what is to be seen, for whoever
    cannot see it.
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


def weights_of_2014():
    """The path of Caffe's weights: in the folder that MINIGOOGLENET_CAFFE names, else in datasets/.

    None if there are none; then one line says how to get them.
    """
    path = Path(os.environ.get("MINIGOOGLENET_CAFFE") or ROOT / "datasets") / "bvlc_googlenet.caffemodel"
    if path.exists():
        return path
    print("No weights of 2014 here; get them (54 MB) with: python -m minigooglenet weights")
    return None


def traffic_light(W=320, column=160):
    """A drawn traffic light, its middle at ``column``, before the sky: uint8 (256, W, 3), red first."""
    v, u = np.mgrid[0:256, 0:W]
    x = np.stack([120 + v / 4, 160 + v / 5, 215 + v / 12], axis=-1)  # the sky
    x[210:, column - 8:column + 8] = 70, 70, 75  # the pole
    x[30:222, column - 38:column + 38] = 35, 38, 40  # the box
    for row, colour in ((64, (235, 40, 30)), (126, (90, 75, 20)), (188, (20, 80, 50))):
        x[(u - column) ** 2 + (v - row) ** 2 < 25 ** 2] = colour
    return x.astype(np.uint8)


def portrait():
    """Grace Hopper, a photo of 512×600 pixels that comes with matplotlib: a PIL image; None where it was left out."""
    from matplotlib.cbook import get_sample_data
    from PIL import Image
    try:
        return Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)).convert("RGB")
    except OSError:  # some packages of matplotlib come without samples
        return None


def mosaic(tiles, columns=8):
    """Pictures (M, h, w, 3), each stretched over its own range, on one white sheet, line by line: 0 to 1."""
    M, h, w, _ = tiles.shape
    sheet = np.ones((-(-M // columns) * (h + 1) - 1, columns * (w + 1) - 1, 3))
    for at, tile in enumerate(tiles):
        top, left = at // columns * (h + 1), at % columns * (w + 1)
        sheet[top:top + h, left:left + w] = (tile - tile.min()) / np.ptp(tile)
    return sheet


def hang(axes, pictures):
    """Draw each of ``pictures``, {title: array}, in one of the axes, without scales."""
    for ax, (title, picture) in zip(axes, pictures.items(), strict=True):
        ax.imshow(picture)
        ax.set_title(title)
        ax.axis("off")


def noisy_shapes(N, seed):
    """uint8 (N, 32, 32, 3) and labels (N,): Shapes-10's shapes, light on dark, almost upright, under much noise."""
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
