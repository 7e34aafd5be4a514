"""Where a class is seen, found by covering the picture piece by piece. No gradient, only many looks."""

import numpy as np

from ..errors import UserError


def occlusion_map(probabilities, x, k, patch, stride, *, fill=0.0, batch=32, on_batch=None):
    """How much the probability of class k falls when a place is covered:

        M(h, w) = mean over the patches that cover (h, w) of  p_k(x) - p_k(x with the patch covered)

    probabilities  function from what the network reads, (n, H, W, C), to (n, K)
    x              one picture as the network reads it, (H, W, C); it is not changed
    patch, stride  pixels; patches reach over the edges, so that every pixel is covered as often as any other
    fill           what covers: 0 is the mean colour, where the mean was subtracted

    Returns (M (H, W) float64, the number of looks). ``on_batch(n)`` is called after every n of them. Raises UserError
    for a patch below 1 pixel or larger than the picture, and for a stride that would leave gaps between patches.
    Source: Zeiler & Fergus 2014, "Visualizing and understanding convolutional networks", section 4.2.
    """
    H, W, _ = x.shape
    if not 1 <= patch <= min(H, W):
        raise UserError(f"patch: got {patch}, choose 1 to {min(H, W)} pixels")
    if not 1 <= stride <= patch:
        raise UserError(f"stride: got {stride}, choose 1 to the patch's {patch} pixels, or gaps stay uncovered")
    places = [(slice(max(top, 0), top + patch), slice(max(left, 0), left + patch))
              for top in starts(H, patch, stride) for left in starts(W, patch, stride)]
    whole = probabilities(x[None])[0, k]
    total, times = np.zeros((H, W)), np.zeros((H, W))
    for begin in range(0, len(places), batch):
        some = places[begin:begin + batch]
        covered = np.repeat(x[None], len(some), axis=0)
        for picture, place in zip(covered, some, strict=True):
            picture[place] = fill
        for place, p in zip(some, probabilities(covered)[:, k], strict=True):
            total[place] += whole - p
            times[place] += 1
        if on_batch:
            on_batch(len(some))
    return total / times, len(places)


def starts(length, patch, stride):
    """Where patches begin along one side: from one that just reaches in, to one that just still does."""
    return range(stride - patch, length, stride)
