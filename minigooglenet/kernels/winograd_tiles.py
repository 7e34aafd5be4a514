"""Winograd's transforms of whole images, compiled. The mathematics and the NumPy form are in ``winograd.py``.

All tiles of one line of tiles are transformed together, first along the columns of the image, then along its lines, in
buffers that fit in the cache. To make both long simple loops for any number of channels, each line of pixels is
de-interleaved into m runs: pixel p = q m + r is pixel q of run r. The pixels that the tiles of a line have in column b
are then contiguous: they are run b mod m, from pixel b // m on.

Buffers are flat. ``_six(start, step)`` are the indices at which six lines of a buffer, or six values of a tile, begin.
"""

import numpy as np
from numpy.typing import NDArray

from .jit import inlined, size
from .winograd import Six, transform_input, transform_input_adjoint, transform_output, transform_output_adjoint


@inlined
def input_lines(x: NDArray, v: NDArray, C: int, TH: int, TW: int, pad: int, m: int, first: int, last: int) -> None:
    """V = Bᵀ d B for the lines of tiles from ``first`` to ``last``, out of N·TH.

    x            (N, H, W·C) images
    v            (36·(last - first)·TW·C,), written
    C, TH, TW    channels; tiles in a column and in a line of an image
    pad, m       padding; height and width of a tile's output
    first, last  range of lines of tiles
    """
    run, n, step = (TW + 5 // m) * C, TW * C, len(v) // 36
    line_size, columns = m * run, _columns(run, m, C)
    d, e = np.zeros(6 * line_size, x.dtype), np.empty(6 * line_size, x.dtype)
    for line in range(first, last):
        image, i, shared = line // TH, line % TH * m - pad, 0
        if line > first and i > -pad:  # lines of pixels shared with the previous line of tiles
            shared = 6 - m
            _move(d, m * line_size, shared * line_size)
        for a in range(shared, 6):
            _deinterleave(x, image, i + a, d, a * line_size, pad, m, run, C)
        transform_input(d, _six(0, line_size), e, _six(0, line_size), line_size)
        for a in range(6):
            transform_input(e, _shifted(columns, a * line_size), v, _six(a * 6 * step + (line - first) * n, step), n)


@inlined
def input_lines_adjoint(dv: NDArray, dx: NDArray, C: int, TH: int, TW: int, pad: int, m: int, first: int, last: int,
                        fresh: bool) -> None:
    """The adjoint of ``input_lines``: dd = B dV Bᵀ for the images from ``first`` to ``last``.

    dv           (36·(last - first)·TH·TW·C,)
    dx           (N, H, W·C) gradient with respect to the images: added to, or overwritten if ``fresh``
    C, TH, TW    channels; tiles in a column and in a line of an image
    pad, m       padding; height and width of a tile's output
    first, last  range of images
    fresh        overwrite dx instead of adding to it
    """
    run, n, step = (TW + 5 // m) * C, TW * C, len(dv) // 36
    line_size, columns = m * run, _columns(run, m, C)
    tiles, e = np.empty(6 * n, dx.dtype), np.empty(6 * line_size, dx.dtype)
    d, total = np.empty(6 * line_size, dx.dtype), np.zeros(6 * line_size, dx.dtype)
    for line in range(first * TH, last * TH):
        image, i = line // TH, line % TH * m - pad
        _clear(e, 0, len(e))
        for a in range(6):
            transform_input_adjoint(dv, _six(a * 6 * step + (line - first * TH) * n, step), tiles, _six(0, n), n)
            for b in range(6):
                _add(tiles, b * n, e, a * line_size + columns[b], n)
        transform_input_adjoint(e, _six(0, line_size), d, _six(0, line_size), line_size)
        _add(d, 0, total, 0, len(d))
        done = m if line % TH < TH - 1 else 6  # the next line of tiles adds to the other lines of pixels
        for a in range(done):
            _interleave(total, a * line_size, dx, image, i + a, pad, m, run, C, fresh, C, 0)
        _move(total, done * line_size, (6 - done) * line_size)
        _clear(total, (6 - done) * line_size, done * line_size)


@inlined
def output_lines(M: NDArray, y: NDArray, C: int, F: int, m: int, first: int, last: int, offset: int, shift: NDArray,
                 shift_at: int, relu: bool) -> None:
    """Y = Aᵀ M A, optionally max(Y + shift, 0), for the lines of tiles from ``first`` to ``last``, out of N·TH.

    M                products (36·(last - first)·TW·F,)
    y                (N, OH, OW·C): channels ``offset`` to ``offset`` + F are written
    C, F             channels of y; filters
    m                height and width of a tile's output
    first, last      range of lines of tiles
    offset           the first filter's channel in y
    shift, shift_at  array and index of the first filter's shift; read only if ``relu``
    relu             add the shift and apply the ReLU
    """
    _, OH, OWC = y.shape
    TH, TW, step = -(-OH // m), -(-OWC // (m * C)), len(M) // 36
    n = TW * F
    d, pixels, shifts = np.empty(m * 6 * n, y.dtype), np.empty(m * n, y.dtype), np.empty(n, y.dtype)
    if relu:  # else shift may be empty
        for k in range(n):
            shifts[k] = shift[shift_at + k % F]
    for line in range(first, last):
        image, i = line // TH, line % TH * m
        for b in range(6):
            transform_output(M, _six(b * step + (line - first) * n, 6 * step), d, b * n, 6 * n, n, m)
        for a in range(min(m, OH - i)):
            transform_output(d, _six(a * 6 * n, n), pixels, 0, n, n, m)
            if relu:
                for b in range(m):
                    _shift_relu(pixels, b * n, shifts, n)
            _interleave(pixels, 0, y, image, i + a, 0, m, n, F, True, C, offset)


@inlined
def output_lines_adjoint(dy: NDArray, dM: NDArray, F: int, m: int, first: int, last: int) -> None:
    """The adjoint of ``output_lines``: dM = A dY Aᵀ for the images from ``first`` to ``last``.

    dy (N, OH, OW·F) -> dM (36·(last - first)·TH·TW·F,), written.
    """
    N, OH, OWF = dy.shape
    TH, TW, step = -(-OH // m), -(-OWF // (m * F)), len(dM) // 36
    n = TW * F
    d, e = np.zeros(m * m * n, dy.dtype), np.empty(6 * m * n, dy.dtype)
    for line in range(first * TH, last * TH):
        image, i = line // TH, line % TH * m
        for a in range(m):
            _deinterleave(dy, image, i + a, d, a * m * n, 0, m, n, F)
        transform_output_adjoint(d, 0, m * n, e, _six(0, m * n), m * n, m)
        for a in range(6):
            transform_output_adjoint(e, a * m * n, n, dM, _six(a * 6 * step + (line - first * TH) * n, step), n, m)


@inlined
def _six(start: int, step: int) -> Six:
    return start, start + step, start + 2 * step, start + 3 * step, start + 4 * step, start + 5 * step


@inlined
def _shifted(columns, by):
    """Six indices, each increased by ``by``."""
    return (columns[0] + by, columns[1] + by, columns[2] + by, columns[3] + by, columns[4] + by, columns[5] + by)


@inlined
def _columns(run, m, C):
    """The indices at which the six columns of a line's tiles begin in a de-interleaved line."""
    return (0, 1 % m * run, 2 % m * run + 2 // m * C, 3 % m * run + 3 // m * C, 4 % m * run + 4 // m * C,
            5 % m * run + 5 // m * C)


@inlined
def _deinterleave(x, image, h, d, at, pad, m, run, C):
    """De-interleave line h of an image into m runs; write zeros for a line outside the image.

    x          (N, H, W·C) images
    image, h   index of the image, and of the line in it
    d, at      flat buffer, and the index of the first run in it
    pad        number of pixels at the beginning that are left unchanged
    m, run, C  number of runs; values in a run; channels
    """
    _, H, WC = x.shape
    if h < 0 or h >= H:
        _clear(d, at, m * run)
        return
    r, q = pad % m, pad // m
    for j in range(WC // C):
        to, source = size(at + r * run + q * C), size(j * C)
        for c in range(size(C)):
            d[to + c] = x[image, h, source + c]
        r += 1
        if r == m:
            r, q = 0, q + 1


@inlined
def _interleave(d, at, x, image, h, pad, m, run, C, fresh, width, offset):
    """The inverse of ``_deinterleave``: add m runs to line h of an image, or overwrite it; ignore a line outside it.

    d, at      flat buffer, and the index of the first run in it
    x          (N, H, W·width) images
    image, h   index of the image, and of the line in it
    pad        number of pixels at the beginning of the runs to skip
    m, run, C  number of runs; values in a run; channels of the buffer
    fresh      overwrite instead of adding
    width      channels of x
    offset     the channel of x to which the buffer's first channel is written
    """
    _, H, WC = x.shape
    if h < 0 or h >= H:
        return
    r, q = pad % m, pad // m
    for j in range(WC // width):
        to, source = size(j * width + offset), size(at + r * run + q * C)
        if fresh:
            for c in range(size(C)):
                x[image, h, to + c] = d[source + c]
        else:
            for c in range(size(C)):
                x[image, h, to + c] += d[source + c]
        r += 1
        if r == m:
            r, q = 0, q + 1


@inlined
def _shift_relu(d, at, shifts, n):
    """d = max(d + shifts, 0) for n values from d[at] on."""
    at, zero = size(at), d.dtype.type(0)
    for k in range(size(n)):
        value = d[at + k] + shifts[k]
        d[at + k] = zero if value < zero else value  # NaN stays NaN


@inlined
def _move(d, source, n):
    """Move n values from d[source] to the beginning of d."""
    source = size(source)
    for k in range(size(n)):
        d[k] = d[source + k]


@inlined
def _clear(d, at, n):
    """Set n values from d[at] on to zero."""
    at, zero = size(at), d.dtype.type(0)
    for k in range(size(n)):
        d[at + k] = zero


@inlined
def _add(a, source, d, at, n):
    """Add n values from a[source] on to those from d[at] on."""
    source, at = size(source), size(at)
    for k in range(size(n)):
        d[at + k] += a[source + k]
