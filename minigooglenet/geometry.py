"""Where windows fall: the arithmetic that convolution and pooling share."""

from numbers import Integral

from .errors import ShapeError


def pair(value):
    """``3 -> (3, 3)``; a pair (height, width) stays one."""
    a, b = (value, value) if isinstance(value, Integral) else value
    return int(a), int(b)


def output_size(size, K, S, P, ceil_mode=False):
    """How many windows fit along one axis.

        O = floor((size + 2P - K) / S) + 1

    With ``ceil_mode`` the division rounds up, as Caffe's pooling does (112 -> 56 with K = 3, S = 2), and the last
    window is cut at the border. A window that would start beyond the picture and its leading padding is dropped.

    Raises ShapeError if not even one window fits.
    """
    if size + 2 * P < K:
        raise ShapeError(f"a window of {K} does not fit {size} + 2·{P} pixels; use a larger picture or more padding")
    span = size + 2 * P - K
    windows = (-(-span // S) if ceil_mode else span // S) + 1
    if ceil_mode and (windows - 1) * S >= size + P:
        windows -= 1
    return windows


def output_hw(H, W, kernel, stride, pad, ceil_mode=False):
    """(OH, OW) for a picture of H x W."""
    return tuple(output_size(n, k, s, p, ceil_mode) for n, k, s, p in zip((H, W), kernel, stride, pad, strict=True))
