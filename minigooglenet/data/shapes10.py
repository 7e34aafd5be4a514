"""Shapes-10: ten shapes drawn at random, the data set that is always available.

It replaces CIFAR-10 where that can be neither found nor downloaded: 12,000 training and 4,000 test color images of
32x32 pixels, generated from a seed in a few seconds. Each image shows one shape at a random position and angle, 14 to
26 pixels wide, lighter or darker than a background of clouds, stripes and noise. A single pixel carries no information
about the class, so a linear classifier fails; a human, or a small convolutional network, succeeds.

A shape is a *signed distance* d(u, v): the distance of a point to the outline, positive inside, in units of the shape's
radius. ``clip(d * radius + 1/2, 0, 1)`` is the coverage of a pixel; it draws an antialiased edge one pixel wide.

Pixels are computed with + - * / and square roots only, in float64, so every machine generates the same bytes.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ..errors import UserError
from ..files import parse_json, write_atomically
from .records import SIDE, Arrays, read_bytes, read_folder, write_folder

FOLDER = "shapes-10-batches-bin"
TRAIN, TEST, SEED = 12_000, 4_000, 2014
RECIPE = 1                              # increment it when the images change: cached folders are then regenerated
BLOCK = 250                             # images per generator, so that intermediate arrays fit in cache

Distance: TypeAlias = Callable[[np.ndarray, np.ndarray], np.ndarray]


# The shapes: signed distances in the square -1 ... 1, v pointing down.

def circle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return 0.85 - np.sqrt(u * u + v * v)


def ring(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return 0.19 - np.abs(np.sqrt(u * u + v * v) - 0.76)


def crescent(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    bite = np.sqrt((u - 0.5) ** 2 + v * v) - 0.75
    return np.minimum(0.95 - np.sqrt(u * u + v * v), bite)


def polygon(*points: tuple[float, float] | np.ndarray) -> Distance:
    """The distance to the nearest edge of a closed polygon; positive where a ray crosses an odd number of edges."""
    corners = np.array(points)

    def distance(u, v):
        nearest = np.full(np.shape(u), np.inf)
        inside = np.zeros(np.shape(u), bool)
        for (au, av), (bu, bv) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            eu, ev = bu - au, bv - av
            pu, pv = u - au, v - av
            t = np.clip((pu * eu + pv * ev) / (eu * eu + ev * ev), 0, 1)
            nearest = np.minimum(nearest, (pu - t * eu) ** 2 + (pv - t * ev) ** 2)
            if ev:
                inside ^= ((av > v) != (bv > v)) & (pu < pv * (eu / ev))
        return np.where(inside, 1, -1) * np.sqrt(nearest)

    return distance


def _around(radii, start=-90.0):
    """Corners at the given distances from the center, at equal angular steps."""
    angles = np.deg2rad(start + 360 / len(radii) * np.arange(len(radii)))
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


def _heart():
    t = np.deg2rad(np.arange(0, 360, 18))
    u = 16 * np.sin(t) ** 3
    v = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return np.stack([u / 17, (v - 2) / 17], axis=1)


a, b = 0.28, 0.92                       # half the width of a bar, half its length
SHAPES = {
    "circle": circle,
    "ring": ring,
    "crescent": crescent,
    "triangle": polygon(*_around([1.0] * 3)),
    "square": polygon(*_around([1.0] * 4)),
    "star": polygon(*_around([1.0, 0.42] * 5)),
    "cross": polygon((-a, -b), (a, -b), (a, -a), (b, -a), (b, a), (a, a), (a, b), (-a, b), (-a, a), (-b, a), (-b, -a),
                     (-a, -a)),
    "heart": polygon(*_heart()),
    "arrow": polygon((-0.95, -0.22), (0.05, -0.22), (0.05, -0.72), (0.95, 0), (0.05, 0.72), (0.05, 0.22),
                     (-0.95, 0.22)),
    "bowtie": polygon((-0.9, -0.65), (0.9, 0.65), (0.9, -0.65), (-0.9, 0.65)),
}
CLASSES = list(SHAPES)


def draw(N: int, seed: int = SEED, split: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """``(x, y)``: N images uint8 (N, 32, 32, 3) and labels int64 (N,), with balanced classes (within one image).

    The same ``seed`` and ``split`` (0 training, 1 test) give the same images.
    """
    y = np.random.default_rng([seed, split]).permutation(np.arange(N) % len(CLASSES))
    x = np.empty((N, SIDE, SIDE, 3), np.uint8)
    for number, start in enumerate(range(0, N, BLOCK), 1):
        block = slice(start, min(start + BLOCK, N))
        x[block] = _draw_block(y[block], np.random.default_rng([seed, split, number]))
    return x, y


def _draw_block(y, rng):
    n = len(y)

    def between(low, high, *shape):
        return low + (high - low) * rng.random((n, *shape))

    # Position of the shape, and each pixel in the shape's coordinates.
    radius = between(7, 13, 1, 1)
    center = SIDE / 2 + (SIDE / 2 - 0.9 * radius[..., None]) * between(-1, 1, 1, 1, 2)
    angle = between(0, 2 * np.pi, 1, 1)
    cos, sin = np.cos(angle), np.sin(angle)
    down, right = np.arange(SIDE)[:, None] + 0.5, np.arange(SIDE)[None, :] + 0.5
    dv, du = (down - center[..., 0]) / radius, (right - center[..., 1]) / radius
    u, v = cos * du + sin * dv, cos * dv - sin * du

    coverage = np.empty((n, SIDE, SIDE))
    for label, name in enumerate(CLASSES):
        chosen = y == label
        coverage[chosen] = SHAPES[name](u[chosen], v[chosen])
    coverage = np.clip(coverage * radius + 0.5, 0, 1)[..., None]

    # Two colors whose luminance differs by 0.3 to 0.6 in either direction; their tints are arbitrary.
    background = between(0.15, 0.85, 1)
    step = between(0.3, 0.6, 1) * np.where(rng.random((n, 1)) < 0.5, -1, 1)
    step = np.where((background + step < 0.05) | (background + step > 0.95), -step, step)
    colors = [luminance + _tint(between(-0.35, 0.35, 3)) for luminance in (background, background + step)]

    # Clouds and stripes, stronger on the background than on the shape; noise on every pixel.
    background, shape = (color[:, None, None, :] + _cloud(between(-1, 1, 6, 6, 3) * between(0.05, strength, 1, 1, 1))
                     + _stripes(between, down, right, strength)
                     for color, strength in zip(colors, (0.25, 0.12), strict=True))
    x = background + coverage * (shape - background)
    x += between(-1, 1, SIDE, SIDE, 3) * between(0.02, 0.12, 1, 1, 1)
    return np.rint(255 * np.clip(x, 0, 1)).astype(np.uint8)


def _tint(color):
    """The color without its luminance (weights for red, green and blue)."""
    return color - (color * (0.299, 0.587, 0.114)).sum(axis=-1, keepdims=True)


def _cloud(grid):
    """A coarse grid (n, G, G, 3), interpolated linearly to the size of the image."""
    G = grid.shape[1]
    place = (np.arange(SIDE) + 0.5) * (G - 1) / SIDE
    low = place.astype(int)
    part = (place - low)[:, None, None]
    rows = grid[:, low] + part * (grid[:, low + 1] - grid[:, low])
    part = part[:, :, 0]
    return rows[:, :, low] + part * (rows[:, :, low + 1] - rows[:, :, low])


def _stripes(between, down, right, strength):
    """A triangle wave of up to 4 periods along each axis, with a random direction and tint."""
    waves = between(-4, 4, 2, 1, 1) / SIDE
    t = waves[:, 0] * down + waves[:, 1] * right + between(0, 1, 1, 1)
    wave = 4 * np.abs(t - np.rint(t)) - 1
    return wave[..., None] * between(-1, 1, 1, 1, 3) * between(0, strength, 1, 1, 1)


def load(root: Path | str = "datasets", train: int = TRAIN, test: int = TEST,
         seed: int = SEED) -> tuple[Arrays, str | None]:
    """``((x_train, y_train, x_test, y_test, classes), note)``, drawn once and cached in ``root/shapes-10-batches-bin``.

    A folder of another recipe, seed or size, or a damaged one, is regenerated. If the folder cannot be written, the
    images are used without a cache and ``note`` says so (otherwise it is None).
    """
    folder = Path(root) / FOLDER
    drawn = {"recipe": RECIPE, "seed": seed, "train": train, "test": test}
    try:
        if parse_json(read_bytes(folder / "drawn.json", 2 ** 16)) == drawn:
            data = read_folder(folder)
            if (len(data[0]), len(data[2])) == (train, test):
                return data, None
    except (OSError, ValueError, UserError):
        pass                            # an invalid cache: regenerate it
    data = (*draw(train, seed, split=0), *draw(test, seed, split=1), CLASSES)
    try:
        # drawn.json marks a complete folder: it is removed first and written last.
        (folder / "drawn.json").unlink(missing_ok=True)
        write_folder(folder, *data)
        write_atomically(folder / "drawn.json", lambda file: json.dump(drawn, file), mode="w")
    except (OSError, UserError) as error:
        return data, f"Shapes-10 was generated but not cached: {error}"
    return data, None
