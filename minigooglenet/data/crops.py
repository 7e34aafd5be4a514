"""Evaluation on 1, 10 or 144 crops per image, as in the paper (section 7).

A ``Crop`` is a record: resize the image so that its shorter side has ``shorter`` pixels, cut the square of ``side``
pixels at (left, top), resize it to the network's input size if it is larger, mirror it or not.

    1     shorter side 256, the center 224 × 224
    10    shorter side 256, its center 256 × 256 square: [4 corners, center] × [plain, mirrored]
    144   shorter side 256, 288, 320, 352 × 3 squares × [4 corners, center, full square at 224] × [plain, mirrored]

The paper defines the 144 crops; for 10 crops it does not, so the definition of Krizhevsky et al. 2012 is used. The
crops come in this order, the last index varying fastest; the corners are top left, top right, bottom left, bottom
right. The three squares are left, center, right for a landscape image and top, center, bottom for a portrait one; for a
square image they coincide.

Table 3 (one model, top-5 error): 10.07 % with 1 crop, 9.15 % with 10, 7.89 % with 144.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from ..errors import UserError
from .photos import resize_shorter, size_with_shorter

Model = Callable[[np.ndarray], np.ndarray]        # crops (n, H, W, 3) -> probabilities (n, K)

SIZE, SCALES = 224, (256, 288, 320, 352)          # the paper's
SMALL_SIZE, SMALL_SCALES = 32, (32, 36, 40, 44)   # the same for CIFAR-10: 32/44 is about 256/352
SHIFT = 16                                        # for 10 crops of a small image: 1/16 of its side, 2 of 32 pixels


class Crop(NamedTuple):
    """A square in the image after its shorter side was resized to ``shorter`` pixels."""

    shorter: int
    left: int
    top: int
    side: int
    mirrored: bool


def crops_1(width: int, height: int, size: int = SIZE, scales: Sequence[int] = SCALES) -> list[Crop]:
    """The single center crop of an image of this size: a list of one ``Crop``."""
    w, h = size_with_shorter(width, height, scales[0])
    return [Crop(scales[0], (w - size) // 2, (h - size) // 2, size, False)]


def crops_10(width: int, height: int, size: int = SIZE, scales: Sequence[int] = SCALES) -> list[Crop]:
    """Corners and center of the central square, each plain and mirrored: a list of ten ``Crop``."""
    shorter = scales[0]
    left, top = _squares(width, height, shorter)[1]
    return [Crop(shorter, left + dx, top + dy, size, mirrored)
            for dx, dy in _places(shorter, size) for mirrored in (False, True)]


def crops_144(width: int, height: int, size: int = SIZE, scales: Sequence[int] = SCALES) -> list[Crop]:
    """The paper's 4 scales × 3 squares × 6 crops × [plain, mirrored]: a list of 144 ``Crop``."""
    return [Crop(shorter, left + dx, top + dy, side, mirrored)
            for shorter in scales
            for left, top in _squares(width, height, shorter)
            for dx, dy, side in [*((dx, dy, size) for dx, dy in _places(shorter, size)), (0, 0, shorter)]
            for mirrored in (False, True)]


PLANS: dict[int, Callable[[int, int], list[Crop]]] = {1: crops_1, 10: crops_10, 144: crops_144}


def _squares(width, height, shorter):
    """(left, top) of the three squares along the longer side of the resized image."""
    w, h = size_with_shorter(width, height, shorter)
    spare = max(w, h) - shorter
    steps = (0, spare // 2, spare)
    return [(step, 0) for step in steps] if w >= h else [(0, step) for step in steps]


def _places(side, size):
    """(dx, dy) of the four corners and the center of a square."""
    far, center = side - size, (side - size) // 2
    return [(0, 0), (far, 0), (0, far), (far, far), (center, center)]


def crops(image: Image.Image, number: int = 1, batch: int = 16) -> Iterator[np.ndarray]:
    """Yield the crops of one PIL RGB image as uint8 arrays (n, 224, 224, 3), n <= batch, ``number`` in total.

    Only one resized image and one batch are in memory. Raises UserError for a number other than 1, 10 and 144.
    """
    _check(number, PLANS)
    pending: list[np.ndarray] = []
    for crop in _cut(image, PLANS[number](*image.size), SIZE):
        pending.append(crop)
        if len(pending) == batch:
            yield np.stack(pending)
            pending = []
    if pending:
        yield np.stack(pending)


def _cut(image, plan, size):
    resized, shorter = None, None
    for crop in plan:
        if crop.shorter != shorter:
            resized, shorter = resize_shorter(image, crop.shorter), crop.shorter
        square = resized.crop((crop.left, crop.top, crop.left + crop.side, crop.top + crop.side))
        if crop.side != size:
            square = square.resize((size, size), Image.Resampling.BICUBIC)
        pixels = np.asarray(square)
        yield pixels[:, ::-1] if crop.mirrored else pixels


# ---------------------------------------------------------------------------------------------------------------------
# The same for networks of small images, for a batch of images in one call


def small_crops(x: np.ndarray, number: int) -> Iterator[tuple[np.ndarray, int]]:
    """Yield (crops, count): each distinct crop of a batch of small square images, and its multiplicity.

    x: (N, S, S, C), uint8 or float. crops: the same shape and dtype; one crop of every image. The counts sum to
    ``number``:

        1     the image
        2     plain, mirrored
        10    [shifted by S/16 pixels, at least 2, to each of the four corners, unshifted] × [plain, mirrored], edges
              reflected
        144   ``crops_144`` with size S and scales S · (1, 9/8, 10/8, 11/8), that is 32, 36, 40, 44

    In a square image the three squares coincide, and at the first scale all six crops coincide. Only 38 of the 144
    crops are distinct, so 38 evaluations give the mean over 144.

    Raises UserError for another number.
    """
    size = x.shape[1]
    _check(number, (1, 2, 10, 144))
    if number == 144:
        yield from _small_144(x, size)
        return
    by = max(2, size // SHIFT)
    shifted = np.pad(x, ((0, 0), (by, by), (by, by), (0, 0)), mode="reflect") if number == 10 else x
    for dx, dy in _places(size + 2 * by, size) if number == 10 else [(0, 0)]:
        crop = shifted[:, dy:dy + size, dx:dx + size]
        yield crop, 1
        if number > 1:
            yield crop[:, :, ::-1], 1


def _small_144(x, size):
    plan = Counter(crops_144(size, size, size, [size * scale // SMALL_SIZE for scale in SMALL_SCALES]))
    resized, shorter = None, None
    for crop, count in plan.items():
        if crop.shorter != shorter:
            resized, shorter = resize_batch(x, crop.shorter), crop.shorter
        square = resized[:, crop.top:crop.top + crop.side, crop.left:crop.left + crop.side]
        square = resize_batch(square, size)
        yield (square[:, :, ::-1] if crop.mirrored else square), count


def resize_batch(x: np.ndarray, side: int) -> np.ndarray:
    """Resize square images (N, S, S, C) to (N, side, side, C): Y = R X Rᵀ per channel, with R of ``resize_matrix``."""
    n, size, _, c = x.shape
    if size == side:
        return x
    r = resize_matrix(size, side)
    r = r if x.dtype == np.float64 else r.astype(np.float32)
    y = r @ x.reshape(n, size, size * c)                        # (N, side, S·C): columns
    y = r @ y.reshape(n * side, size, c)                        # (N·side, side, C): rows
    y = y.reshape(n, side, side, c)
    return np.clip(np.rint(y), 0, 255).astype(np.uint8) if x.dtype == np.uint8 else y


def resize_matrix(n: int, m: int) -> np.ndarray:
    """Bicubic resampling of n samples to m as a matrix (m, n) whose rows sum to 1; Pillow's filter, a = -1/2.

        k(d) = (a + 2) d³ - (a + 3) d² + 1         for d < 1
               a d³ - 5a d² + 8a d - 4a            for d < 2,  else 0

    For downsampling the filter is widened by n/m, which prevents aliasing.
    Source: R. Keys, "Cubic convolution interpolation for digital image processing", 1981.
    """
    a = -0.5
    centers = (np.arange(m) + 0.5) * n / m                      # of the new samples, in old pixels
    d = np.abs(np.arange(n) + 0.5 - centers[:, None]) / max(n / m, 1)
    k = np.where(d < 1, (a + 2) * d**3 - (a + 3) * d**2 + 1, a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a)
    k = np.where(d < 2, k, 0)
    return k / k.sum(1, keepdims=True)


# ---------------------------------------------------------------------------------------------------------------------
# Averaging


def average_softmax(models: Sequence[Model], batches: Iterable[np.ndarray]) -> np.ndarray:
    """Mean probabilities (K,) of one image over all its crops and all models: p̄ = Σₘ Σᵢ pₘ(cropᵢ) / (M · crops).

    models: functions from uint8 crops (n, H, W, 3) to probabilities (n, K). batches: the batches that ``crops`` yields;
    each is evaluated by every model and then freed. Sums are accumulated in float64. Source: section 7.
    """
    total, count = np.zeros(()), 0
    for batch in batches:
        for model in models:
            total = total + np.sum(model(batch), axis=0, dtype=np.float64)
            count += len(batch)
    return total / count


def average_small(models: Sequence[Model], x: np.ndarray, number: int) -> np.ndarray:
    """Mean probabilities (N, K) of a batch of small images over ``small_crops(x, number)`` and all models."""
    total = np.zeros(())
    for crop, count in small_crops(x, number):
        for model in models:
            total = total + count * np.asarray(model(crop), np.float64)
    return total / (number * len(models))


def _check(number, allowed):
    if number not in allowed:
        *most, last = map(str, allowed)
        raise UserError(f"{number} crops: expected {', '.join(most)} or {last}")
