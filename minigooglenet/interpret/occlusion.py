"""Where a class is detected, found by covering patches of the image. Only forward passes, no gradient."""

from collections.abc import Callable

import numpy as np

from ..errors import UserError
from ..layers.base import Array


def occlusion_map(probabilities: Callable[[Array], Array], x: Array, k: int, patch: int, stride: int, *,
                  fill: float = 0.0, batch: int = 32,
                  on_batch: Callable[[int], object] | None = None) -> tuple[Array, int]:
    """How much the probability of class k drops when a pixel is covered:

        M(h, w) = mean over the patches that cover (h, w) of  p_k(x) - p_k(x with the patch covered)

    probabilities  function from network inputs (n, H, W, C) to probabilities (n, K)
    x              one network input, (H, W, C); it is not changed
    patch, stride  pixels; patches extend over the edges, so that every pixel is covered equally often
    fill           the value of covered pixels: 0 is the mean color if the mean was subtracted
    on_batch       called with n after every n patches

    Returns (M (H, W) float64, the number of patches). Raises UserError for a patch below 1 pixel or larger than the
    image, and for a stride that leaves gaps between patches.
    Source: Zeiler & Fergus 2014, "Visualizing and understanding convolutional networks", section 4.2.
    """
    H, W, _ = x.shape
    if not 1 <= patch <= min(H, W):
        raise UserError(f"patch: got {patch}, choose 1 to {min(H, W)} pixels")
    if not 1 <= stride <= patch:
        raise UserError(f"stride: got {stride}, choose 1 to {patch} (the patch), or gaps stay uncovered")
    places = [(slice(max(top, 0), top + patch), slice(max(left, 0), left + patch))
              for top in starts(H, patch, stride) for left in starts(W, patch, stride)]
    uncovered = probabilities(x[None])[0, k]
    total, times = np.zeros((H, W)), np.zeros((H, W))
    for begin in range(0, len(places), batch):
        some = places[begin:begin + batch]
        covered = np.repeat(x[None], len(some), axis=0)
        for image, place in zip(covered, some, strict=True):
            image[place] = fill
        for place, p in zip(some, probabilities(covered)[:, k], strict=True):
            total[place] += uncovered - p
            times[place] += 1
        if on_batch:
            on_batch(len(some))
    return total / times, len(places)


def starts(length: int, patch: int, stride: int) -> range:
    """The first pixel of each patch along one side, from the first patch that reaches into the image to the last."""
    return range(stride - patch, length, stride)
