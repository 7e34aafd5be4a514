"""Distorting a batch of pictures at random, so that the network never sees the same one twice.

Every step is a function ``(x, rng) -> x`` of a batch (N, H, W, 3) with values 0 ... 255, uint8 or floating point; the
input stays as it is. A kind of augmentation is a list of steps, see ``KINDS``.
"""

import numpy as np

from .. import kernels

LUMA = (0.299, 0.587, 0.114)            # the lightness of red, green and blue, summing to 1


def pad_crop(x, rng, pad=4):
    """Shift each picture by -pad ... pad pixels in both directions; what is missing at an edge is mirrored there.

    The same as padding and cropping at random. Padding with black, as often done, draws edges that no photograph has.
    """
    N, H, W, _ = x.shape
    top, left = rng.integers(-pad, pad, (2, N, 1), endpoint=True)
    h, w = _reflect(top + np.arange(H), H), _reflect(left + np.arange(W), W)
    return x[np.arange(N)[:, None, None], h[:, :, None], w[:, None, :]]


def _reflect(i, size):
    """Indices outside 0 ... size - 1, folded back at the first and the last pixel."""
    return size - 1 - np.abs(size - 1 - np.abs(i))


def mirror(x, rng):
    """Swap left and right in every second picture, on average."""
    flips = rng.random(len(x)) < 0.5
    return np.where(flips[:, None, None, None], x[:, :, ::-1], x)


def cutout(x, rng, size=8):
    """Cover a square of size x size around a random pixel with the picture's own mean colour.

    Source: T. DeVries, G. W. Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017.
    """
    N, H, W, _ = x.shape
    top, left = rng.integers(0, H, (N, 1)) - size // 2, rng.integers(0, W, (N, 1)) - size // 2
    rows = (np.arange(H) >= top) & (np.arange(H) < top + size)
    columns = (np.arange(W) >= left) & (np.arange(W) < left + size)
    hidden = rows[:, :, None, None] & columns[:, None, :, None]
    return np.where(hidden, x.mean(axis=(1, 2), keepdims=True).astype(x.dtype), x)


def area_boxes(rng, N, H, W, area=(0.08, 1.0), aspect=(3 / 4, 4 / 3)):
    """N random boxes inside an H x W picture, float64 (N, 4): top, left, height, width in pixels.

    As in the paper, section 6: a box's share of the picture is uniform in ``area``, its aspect (width / height) lies in
    ``aspect``, here uniform in its logarithm. From share s and aspect r follow

        height = sqrt(s H W / r)        width = sqrt(s H W r)

    and the box fits inside if  s W / H <= r <= W / (s H).  Drawing r within these bounds, instead of drawing again
    until a box fits, keeps the area uniform. Where a long picture leaves no room for the aspect at s = 1, the largest
    s that does replaces 1.
    """
    low, high = aspect
    largest = min(area[1], high * H / W, W / (low * H))
    s = rng.uniform(min(area[0], largest), largest, N)
    r = np.exp(rng.uniform(np.log(np.maximum(low, s * W / H)), np.log(np.minimum(high, W / (s * H)))))
    height, width = np.minimum(np.sqrt(s * H * W / r), H), np.minimum(np.sqrt(s * H * W * r), W)
    return np.stack([rng.random(N) * (H - height), rng.random(N) * (W - width), height, width], axis=1)


def area_crop(x, rng, size=None):
    """A random box of 8 to 100 % of each picture, stretched to ``size`` (OH, OW), half of them mirrored.

    ``size`` is the picture's own by default. Floating point comes back. Source: the paper, section 6.
    """
    N, H, W, _ = x.shape
    OH, OW = size or (H, W)
    return kernels.crop_resize(x, area_boxes(rng, N, H, W), rng.random(N) < 0.5, OH, OW)


def photometric(x, rng, low=0.5, high=1.5):
    """Scale brightness, contrast and colour of each picture by factors in low ... high, in random order.

        brightness  f x        contrast  m + f (x - m)        colour  g + f (x - g)

    with m the mean lightness of the picture and g the lightness of each pixel; cut to 0 ... 255 after each.

    Source: A. G. Howard, "Some Improvements on Deep Convolutional Neural Network Based Image Classification", 2013,
    section 2.2, which the paper's section 6 names.
    """
    x = _floating(x)
    luma = np.array(LUMA, x.dtype)
    order = rng.permuted(np.tile(np.arange(3), (len(x), 1)), axis=1)
    factor = rng.uniform(low, high, (len(x), 3)).astype(x.dtype)[:, :, None, None, None]
    for turn in range(3):
        for which in range(3):
            these = order[:, turn] == which
            part, f = x[these], factor[these, which]
            centre = 0 if which == 0 else (part @ luma)[..., None]
            if which == 1:
                centre = centre.mean(axis=(1, 2), keepdims=True)
            x[these] = np.clip(centre + f * (part - centre), 0, 255)
    return x


def colour_axes(x_train):
    """The directions in which colours vary most: (3, 3), column i the i-th principal axis times its eigenvalue.

    The eigenvectors p_i and eigenvalues l_i are those of the covariance of (red, green, blue) over all pixels of
    ``x_train`` on a scale of 0 ... 1, as in Krizhevsky et al. 2012; the result is on a scale of 0 ... 255.
    """
    pixels = x_train.reshape(-1, 3)
    moments, total, piece = np.zeros((3, 3)), np.zeros(3), 2 ** 20
    for start in range(0, len(pixels), piece):
        part = pixels[start:start + piece] / 255.0
        moments += part.T @ part
        total += part.sum(axis=0)
    mean = total / len(pixels)
    values, vectors = np.linalg.eigh(moments / len(pixels) - np.outer(mean, mean))
    return 255 * vectors * np.maximum(values, 0)


# The axes of ImageNet's training pictures, as used with AlexNet and its successors.
IMAGENET_AXES = 255 * np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]) \
    * np.array([0.2175, 0.0188, 0.0045])


def lighting(x, rng, axes=IMAGENET_AXES, std=0.1):
    """Add to every pixel of a picture the colour ``axes @ alpha``, with alpha (3,) normal of the given deviation.

        x + [p1 p2 p3] [a1 l1, a2 l2, a3 l3]^T

    Source: A. Krizhevsky, I. Sutskever, G. E. Hinton, "ImageNet Classification with Deep Convolutional Neural
    Networks", 2012, section 4.1.
    """
    x = _floating(x)
    x += (rng.normal(0, std, (len(x), 3)) @ axes.T).astype(x.dtype)[:, None, None, :]
    return x


def _floating(x):
    """A floating point copy: float32 for whole numbers, else the same type."""
    return x.astype(x.dtype if x.dtype.kind == "f" else np.float32)


KINDS = {
    "none": (),
    "mirror": (mirror,),
    "crop": (pad_crop, mirror),
    "cutout": (pad_crop, mirror, cutout),
    "paper": (area_crop, photometric, lighting),
}


class Augment:
    """``Augment(kind)(x, rng)``: a kind of augmentation from ``KINDS``, applied to a batch.

    "none"; "mirror": half of them mirrored; "crop": also shifted by up to 4 pixels, the usual one for 32x32 pictures;
    "cutout": the same and a square of 8x8 hidden; "paper": boxes of 8 to 100 % of the area, photometric distortion and
    lighting, made for ImageNet. uint8 stays uint8 except with "paper".
    """

    def __init__(self, kind="crop"):
        if kind not in KINDS:
            raise ValueError(f"augmentation {kind!r}: expected one of {', '.join(KINDS)}")
        self.kind, self.steps = kind, KINDS[kind]

    def __call__(self, x, rng):
        for step in self.steps:
            x = step(x, rng)
        return x
