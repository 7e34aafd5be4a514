"""Data augmentation: random transformations of a batch of images.

Every step is a function ``(x, rng) -> x`` of a batch (N, H, W, 3) with values 0 ... 255, uint8 or floating point. Steps
do not modify their input. A kind of augmentation is a tuple of steps, see ``KINDS``.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from ..kernels.crop_resize import crop_resize

Step = Callable[[np.ndarray, np.random.Generator], np.ndarray]

LUMA = (0.299, 0.587, 0.114)            # weights of red, green and blue in the luminance; they sum to 1
BRIGHTNESS, CONTRAST, SATURATION = range(3)


def pad_crop(x: np.ndarray, rng: np.random.Generator, pad: int | None = None) -> np.ndarray:
    """Shift each image by -pad ... pad pixels in both directions; missing pixels are reflected at the edge.

    ``pad`` is 4 by default, or an eighth of the height of images larger than 32x32.

    This equals reflection padding followed by a random crop. Zero padding, the usual choice, adds black edges that no
    photograph has.
    """
    N, H, W, _ = x.shape
    pad = max(4, H // 8) if pad is None else pad
    top, left = rng.integers(-pad, pad, (2, N, 1), endpoint=True)
    h, w = _reflect(top + np.arange(H), H), _reflect(left + np.arange(W), W)
    return x[np.arange(N)[:, None, None], h[:, :, None], w[:, None, :]]


def _reflect(i, size):
    """Indices outside 0 ... size - 1, reflected at the first and the last pixel."""
    return size - 1 - np.abs(size - 1 - np.abs(i))


def mirror(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Flip each image horizontally with probability 1/2."""
    flips = rng.random(len(x)) < 0.5
    return np.where(flips[:, None, None, None], x[:, :, ::-1], x)


def cutout(x: np.ndarray, rng: np.random.Generator, size: int | None = None) -> np.ndarray:
    """Fill a square of size x size pixels around a random pixel with the mean color of the image.

    ``size`` is 8 by default, or a quarter of the height of images larger than 32x32.

    Source: T. DeVries, G. W. Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017.
    """
    N, H, W, _ = x.shape
    size = max(8, H // 4) if size is None else size
    top, left = rng.integers(0, H, (N, 1)) - size // 2, rng.integers(0, W, (N, 1)) - size // 2
    rows = (np.arange(H) >= top) & (np.arange(H) < top + size)
    columns = (np.arange(W) >= left) & (np.arange(W) < left + size)
    hidden = rows[:, :, None, None] & columns[:, None, :, None]
    return np.where(hidden, x.mean(axis=(1, 2), keepdims=True).astype(x.dtype), x)


def area_boxes(rng: np.random.Generator, N: int, H: int, W: int, area: tuple[float, float] = (0.08, 1.0),
               aspect: tuple[float, float] = (3 / 4, 4 / 3)) -> np.ndarray:
    """N random boxes inside an H x W image, float64 (N, 4): top, left, height, width in pixels.

    As in the paper, section 6: the fraction of the area that a box covers is uniform in ``area``; its aspect ratio
    (width / height) lies in ``aspect`` and its logarithm is uniform. For area fraction s and aspect ratio r

        height = sqrt(s H W / r)        width = sqrt(s H W r)

    and the box lies inside the image if  s W / H <= r <= W / (s H).  Sampling r within these bounds, instead of
    rejecting boxes that do not fit, keeps the area uniform. If no allowed aspect ratio fits at s = 1 because the image
    is too elongated, the largest s for which one fits replaces 1.
    """
    low, high = aspect
    largest = min(area[1], high * H / W, W / (low * H))
    s = rng.uniform(min(area[0], largest), largest, N)
    r = np.exp(rng.uniform(np.log(np.maximum(low, s * W / H)), np.log(np.minimum(high, W / (s * H)))))
    height, width = np.minimum(np.sqrt(s * H * W / r), H), np.minimum(np.sqrt(s * H * W * r), W)
    return np.stack([rng.random(N) * (H - height), rng.random(N) * (W - width), height, width], axis=1)


def area_crop(x: np.ndarray, rng: np.random.Generator, size: tuple[int, int] | None = None) -> np.ndarray:
    """Crop a random box of 8 to 100 % of each image's area, resize it to (OH, OW), flip it with probability 1/2.

    ``size`` is (OH, OW), by default the size of the images. Returns floating point. Source: the paper, section 6.
    """
    N, H, W, _ = x.shape
    OH, OW = size or (H, W)
    return crop_resize(x, area_boxes(rng, N, H, W), rng.random(N) < 0.5, OH, OW)


def photometric(x: np.ndarray, rng: np.random.Generator, low: float = 0.5, high: float = 1.5) -> np.ndarray:
    """Scale brightness, contrast and saturation of each image by random factors from low ... high, in random order.

        brightness  f x        contrast  m + f (x - m)        saturation  g + f (x - g)

    where m is the mean luminance of the image and g the luminance of each pixel. Values are clipped to 0 ... 255 after
    each step.

    Source: A. G. Howard, "Some Improvements on Deep Convolutional Neural Network Based Image Classification", 2013,
    section 2.2, cited in section 6 of the paper.
    """
    x = _floating(x)
    luma = np.array(LUMA, x.dtype)
    order = rng.permuted(np.tile(np.arange(3), (len(x), 1)), axis=1)                # of the three, per image
    factor = rng.uniform(low, high, (len(x), 3)).astype(x.dtype)[:, :, None, None, None]
    for step in range(3):
        for kind in (BRIGHTNESS, CONTRAST, SATURATION):
            chosen = order[:, step] == kind
            part, f = x[chosen], factor[chosen, kind]
            center = np.zeros(1, x.dtype) if kind == BRIGHTNESS else (part @ luma)[..., None]
            if kind == CONTRAST:
                center = center.mean(axis=(1, 2), keepdims=True)
            x[chosen] = np.clip(center + f * (part - center), 0, 255)
    return x


def color_axes(x_train: np.ndarray) -> np.ndarray:
    """The principal axes of the colors: (3, 3), column i is the i-th eigenvector times its eigenvalue.

    The eigenvectors p_i and eigenvalues l_i are those of the covariance of (red, green, blue) over all pixels of
    ``x_train``, scaled to 0 ... 1, as in Krizhevsky et al. 2012. The result is scaled to 0 ... 255.
    """
    pixels = x_train.reshape(-1, 3)
    moments, total, chunk = np.zeros((3, 3)), np.zeros(3), 2 ** 20
    for start in range(0, len(pixels), chunk):
        part = pixels[start:start + chunk] / 255.0
        moments += part.T @ part
        total += part.sum(axis=0)
    mean = total / len(pixels)
    values, vectors = np.linalg.eigh(moments / len(pixels) - np.outer(mean, mean))
    return 255 * vectors * np.maximum(values, 0)


# The axes of ImageNet's training images, as used with AlexNet and its successors.
IMAGENET_AXES = 255 * np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]) \
    * np.array([0.2175, 0.0188, 0.0045])


def lighting(x: np.ndarray, rng: np.random.Generator, axes: np.ndarray = IMAGENET_AXES,
             std: float = 0.1) -> np.ndarray:
    """Add the color ``axes @ alpha`` to every pixel of an image; alpha (3,) is normal with standard deviation ``std``.

        x + [p1 p2 p3] [a1 l1, a2 l2, a3 l3]^T

    Source: A. Krizhevsky, I. Sutskever, G. E. Hinton, "ImageNet Classification with Deep Convolutional Neural
    Networks", 2012, section 4.1.
    """
    x = _floating(x)
    x += (rng.normal(0, std, (len(x), 3)) @ axes.T).astype(x.dtype)[:, None, None, :]
    return x


def _floating(x):
    """A floating point copy: float32 for integers, else the same dtype."""
    return x.astype(x.dtype if x.dtype.kind == "f" else np.float32)


def halve(x: np.ndarray) -> np.ndarray:
    """Images of half the height and width, as the means of 2 x 2 pixels; an odd last row or column is left out.

        y[n, i, j, c] = (x[n, 2i, 2j, c] + x[n, 2i + 1, 2j, c] + x[n, 2i, 2j + 1, c] + x[n, 2i + 1, 2j + 1, c]) / 4

    x (N, H, W, C) -> float32 (N, H // 2, W // 2, C).
    """
    H, W = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    rows = x[:, 0:H:2].astype(np.float32)
    rows += x[:, 1:H:2]
    return (rows[:, :, 0:W:2] + rows[:, :, 1:W:2]) * np.float32(0.25)


KINDS: dict[str, tuple[Step, ...]] = {
    "none": (),
    "mirror": (mirror,),
    "crop": (pad_crop, mirror),
    "cutout": (pad_crop, mirror, cutout),
    "paper": (area_crop, photometric, lighting),
}


def mirrors(kind: str) -> bool:
    """Whether ``Augment(kind)`` flips images horizontally."""
    return not {mirror, area_crop}.isdisjoint(KINDS[kind])


class Augment:
    """``Augment(kind)(x, rng)`` applies the steps of ``KINDS[kind]`` to a batch.

    "none" changes nothing; "mirror" flips half of the images; "crop" also shifts them by up to 4 pixels, the usual
    choice for 32x32 images; "cutout" also fills an 8x8 square (for larger images both grow); "paper" crops 8 to 100 %
    of the area and applies photometric distortion and lighting, as designed for ImageNet. uint8 stays uint8 except with
    "paper", which resizes its crops to size x size pixels, by default those of the images.
    """

    def __init__(self, kind: str = "crop", size: int | None = None) -> None:
        if kind not in KINDS:
            raise ValueError(f"augmentation {kind!r}: expected one of {', '.join(KINDS)}")
        self.kind, self.steps = kind, KINDS[kind]
        if size:
            cropped: Step = partial(area_crop, size=(size, size))
            self.steps = tuple(cropped if step is area_crop else step for step in self.steps)

    def __call__(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        for step in self.steps:
            x = step(x, rng)
        return x
