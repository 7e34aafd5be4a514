"""Shapes-10: ten shapes drawn at random, the data set that is always there.

Where CIFAR-10 can be neither found nor fetched, this stands in: 12,000 training and 4,000 test pictures of 32x32 in
colour, drawn from a seed in a few seconds. One shape per picture, anywhere, at any angle, 14 to 26 pixels across,
lighter or darker than a background of cloud, stripes and noise. A single pixel says nothing about the class, so a
linear classifier fails; a human, or a small convolutional network, does not.

A shape is a *signed distance* d(u, v): how far inside its outline a point lies, in units of the shape's radius. A
pixel is covered by ``clip(d * radius + 1/2, 0, 1)``, which draws an edge one pixel soft.

Only + - * / and square roots touch pixels, all in float64, so that every machine draws the same bytes.
"""

import json
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..files import write_atomically
from .records import SIDE, read_folder, write_folder

FOLDER = "shapes-10-batches-bin"
TRAIN, TEST, SEED = 12_000, 4_000, 2014
RECIPE = 1                              # raise it when the pictures change: cached folders are then drawn again
BLOCK = 250                             # pictures per generator, so that the numbers in flight fit in cache


# The shapes: signed distances in a square from -1 to 1, v pointing down.

def circle(u, v):
    return 0.85 - np.sqrt(u * u + v * v)


def ring(u, v):
    return 0.19 - np.abs(np.sqrt(u * u + v * v) - 0.76)


def crescent(u, v):
    bite = np.sqrt((u - 0.5) ** 2 + v * v) - 0.75
    return np.minimum(0.95 - np.sqrt(u * u + v * v), bite)


def polygon(*corners):
    """The distance to the nearest edge of a closed outline; positive where a ray crosses an odd number of edges."""
    corners = np.array(corners)

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
    """Corners at the given distances from the centre, at equal angles."""
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


def draw(N, seed=SEED, split=0):
    """``(x, y)``: N pictures uint8 (N, 32, 32, 3) and labels int64 (N,), each class equally often (give or take one).

    The same ``seed`` and ``split`` (0 training, 1 test) give the same pictures.
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

    # Where the shape lies, and every pixel's place in its own coordinates.
    radius = between(7, 13, 1, 1)
    centre = SIDE / 2 + (SIDE / 2 - 0.9 * radius[..., None]) * between(-1, 1, 1, 1, 2)
    angle = between(0, 2 * np.pi, 1, 1)
    cos, sin = np.cos(angle), np.sin(angle)
    down, right = np.arange(SIDE)[:, None] + 0.5, np.arange(SIDE)[None, :] + 0.5
    dv, du = (down - centre[..., 0]) / radius, (right - centre[..., 1]) / radius
    u, v = cos * du + sin * dv, cos * dv - sin * du

    cover = np.empty((n, SIDE, SIDE))
    for label, name in enumerate(CLASSES):
        these = y == label
        cover[these] = SHAPES[name](u[these], v[these])
    cover = np.clip(cover * radius + 0.5, 0, 1)[..., None]

    # Two colours that differ in lightness by 0.3 to 0.6, up or down; their tints are free.
    ground = between(0.15, 0.85, 1)
    step = between(0.3, 0.6, 1) * np.where(rng.random((n, 1)) < 0.5, -1, 1)
    step = np.where((ground + step < 0.05) | (ground + step > 0.95), -step, step)
    colours = [lightness + _tint(between(-0.35, 0.35, 3)) for lightness in (ground, ground + step)]

    # Cloud and stripes, stronger on the ground than on the shape; noise on everything.
    ground, shape = (colour[:, None, None, :] + _cloud(between(-1, 1, 6, 6, 3) * between(0.05, strength, 1, 1, 1))
                     + _stripes(between, down, right, strength)
                     for colour, strength in zip(colours, (0.25, 0.12), strict=True))
    x = ground + cover * (shape - ground)
    x += between(-1, 1, SIDE, SIDE, 3) * between(0.02, 0.12, 1, 1, 1)
    return np.rint(255 * np.clip(x, 0, 1)).astype(np.uint8)


def _tint(colour):
    """The colour without its lightness (weights of the eye for red, green and blue)."""
    return colour - (colour * (0.299, 0.587, 0.114)).sum(axis=-1, keepdims=True)


def _cloud(grid):
    """A coarse grid (n, G, G, 3) stretched linearly over the picture."""
    G = grid.shape[1]
    place = (np.arange(SIDE) + 0.5) * (G - 1) / SIDE
    low = place.astype(int)
    part = (place - low)[:, None, None]
    rows = grid[:, low] + part * (grid[:, low + 1] - grid[:, low])
    part = part[:, :, 0]
    return rows[:, :, low] + part * (rows[:, :, low + 1] - rows[:, :, low])


def _stripes(between, down, right, strength):
    """A triangle wave of 1 to 4 periods across the picture, in a random direction and tint."""
    waves = between(-4, 4, 2, 1, 1) / SIDE
    t = waves[:, 0] * down + waves[:, 1] * right + between(0, 1, 1, 1)
    wave = 4 * np.abs(t - np.rint(t)) - 1
    return wave[..., None] * between(-1, 1, 1, 1, 3) * between(0, strength, 1, 1, 1)


def load(root="datasets", train=TRAIN, test=TEST, seed=SEED):
    """``((x_train, y_train, x_test, y_test, classes), note)``, drawn once and kept in ``root/shapes-10-batches-bin``.

    A folder from another recipe, seed or size, or a damaged one, is drawn again. Where it cannot be written the
    pictures are used all the same, and ``note`` says so (otherwise it is None).
    """
    folder = Path(root) / FOLDER
    drawn = {"recipe": RECIPE, "seed": seed, "train": train, "test": test}
    try:
        if json.loads((folder / "drawn.json").read_text()) == drawn:
            data = read_folder(folder)
            if (len(data[0]), len(data[2])) == (train, test):
                return data, None
    except (OSError, ValueError, UserError):
        pass                            # a cache: whatever is wrong with it, drawing again mends it
    data = (*draw(train, seed, split=0), *draw(test, seed, split=1), CLASSES)
    try:
        # Last the line that calls the folder complete, first its removal: no half-written folder passes for a whole.
        (folder / "drawn.json").unlink(missing_ok=True)
        write_folder(folder, *data)
        write_atomically(folder / "drawn.json", lambda file: json.dump(drawn, file), mode="w")
    except (OSError, UserError) as error:
        return data, f"Shapes-10 was drawn but not kept: {error}"
    return data, None
