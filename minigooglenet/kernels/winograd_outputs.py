"""Winograd's transforms of the output, compiled. ``winograd_tiles.py`` has those of the input, and how they work."""

from numpy.typing import NDArray

from .jit import inlined
from .memory import scratch
from .simd import LANES, full_like, greater, load, store, where
from .winograd import output_gradients, output_values
from .winograd_tiles import inside, load_six, store_six


@inlined
def output_lines(M: NDArray, step: int, y: NDArray, OH: int, OW: int, Y: int, F: int, m: int, first: int, last: int,
                 offset: int, shift: NDArray, shift_at: int, rectify: bool) -> None:
    """Y = Aᵀ M A, optionally max(Y + shift, 0), for the lines of tiles from ``first`` to ``last``, out of N·TH.

    M, step          36 matrices ((last - first)·TW, F)
    y                (N·OH·OW·Y,): channels ``offset`` to ``offset`` + F are written
    OH, OW, Y        height, width and channels of y
    F                filters
    m                height and width of a tile's output
    first, last      range of lines of tiles
    offset           the first filter's channel in y
    shift, shift_at  array and index of the first filter's shift; read only to ``rectify``
    rectify          add the shift and apply the ReLU
    """
    TH, TW = -(-OH // m), -(-OW // m)
    wide, full = TW * m * F, F // LANES * LANES
    e = scratch(6 * wide, y)
    for line in range(first, last):
        for a in range(6):
            e_at, m_at = a * wide, a * 6 * step + (line - first) * TW * F
            for f in range(0, full, LANES):
                _output_tiles(M, m_at + f, step, e, e_at + f, m, F, TW, LANES)
            if full < F:
                _output_tiles(M, m_at + full, step, e, e_at + full, m, F, TW, F - full)
        top = line % TH * m
        y_at = (line // TH * OH + top) * OW * Y + offset
        for f in range(0, full, LANES):
            _output_lines(e, f, wide, F, y, y_at + f, top, OH, OW, Y, m, shift, shift_at + f, rectify, LANES)
        if full < F:
            _output_lines(e, full, wide, F, y, y_at + full, top, OH, OW, Y, m, shift, shift_at + full, rectify,
                          F - full)


@inlined
def _output_tiles(M, m_at, step, e, e_at, m, F, TW, n):
    """e = M A for n filters of a line of tiles.

    M, m_at, step  36 matrices: the index of the first value, the distance between matrices
    e, e_at        one of the six lines of the buffer: the index of the first value
    m, F, TW       size of a tile's output; filters; number of tiles
    """
    for j in range(TW):
        m0, m1, m2, m3, m4, m5 = load_six(M, m_at + j * F, step, n)
        y0, y1, y2, y3, last = output_values(m0, m1, m2, m3, m4, m5)
        at = e_at + j * m * F
        store(e, at, n, y0)
        if m == 4:
            store(e, at + F, n, y1)
            store(e, at + 2 * F, n, y2)
            store(e, at + 3 * F, n, y3 + last)
        else:
            store(e, at + F, n, y1 + last)


@inlined
def _output_lines(e, e_at, wide, F, y, y_at, top, OH, OW, Y, m, shift, shift_at, rectify, n):
    """Y = Aᵀ e for n filters of a line of tiles.

    e, e_at, wide    the buffer, the index of the first value, the distance between its six lines
    F                filters
    y, y_at          the output, and the index of the first value
    top, OH, OW, Y   the first line of pixels in its image; height, width and channels of y
    m                size of a tile's output
    shift, shift_at  as in ``output_lines``, for the first of the n filters
    rectify          add the shift and apply the ReLU
    """
    shifts = load(shift, shift_at, n if rectify else 0)
    zero = full_like(shifts, 0)
    for j in range(OW):
        e0, e1, e2, e3, e4, e5 = load_six(e, e_at + j * F, wide, n)
        y0, y1, y2, y3, last = output_values(e0, e1, e2, e3, e4, e5)
        if m == 4:
            y3 = y3 + last
        else:
            y1 = y1 + last
        if rectify:
            y0, y1, y2, y3 = y0 + shifts, y1 + shifts, y2 + shifts, y3 + shifts
            y0, y1 = where(greater(zero, y0), zero, y0), where(greater(zero, y1), zero, y1)  # NaN stays NaN
            y2, y3 = where(greater(zero, y2), zero, y2), where(greater(zero, y3), zero, y3)
        at = y_at + j * Y
        store(y, at, n, y0)
        if top + 1 < OH:
            store(y, at + OW * Y, n, y1)
        if m == 4 and top + 2 < OH:
            store(y, at + 2 * OW * Y, n, y2)
        if m == 4 and top + 3 < OH:
            store(y, at + 3 * OW * Y, n, y3)


@inlined
def output_lines_adjoint(dy: NDArray, dM: NDArray, step: int, OH: int, OW: int, F: int, m: int, images: int) -> None:
    """The adjoint of ``output_lines``: dM = A dY Aᵀ.

    dy          (images·OH·OW·F,) gradient with respect to the output
    dM, step    36 matrices (images·TH·TW, F), written
    OH, OW, F   height and width of the output; filters
    m           height and width of a tile's output
    images      number of images
    """
    TH, TW, WF = -(-OH // m), -(-OW // m), OW * F
    wide = TW * m * F
    e = scratch(6 * wide, dy)
    e[:] = 0  # stays 0 outside the image
    for line in range(images * TH):
        top, full = line % TH * m, WF // LANES * LANES
        at = (line // TH * OH + top) * WF
        for k in range(0, full, LANES):
            _output_lines_adjoint(dy, at + k, top, OH, WF, e, k, wide, m, LANES)
        if full < WF:
            _output_lines_adjoint(dy, at + full, top, OH, WF, e, full, wide, m, WF - full)
        for a in range(6):
            e_at, m_at, full = a * wide, a * 6 * step + line * TW * F, F // LANES * LANES
            for f in range(0, full, LANES):
                _output_tiles_adjoint(e, e_at + f, m, dM, m_at + f, step, F, TW, LANES)
            if full < F:
                _output_tiles_adjoint(e, e_at + full, m, dM, m_at + full, step, F, TW, F - full)


@inlined
def _output_lines_adjoint(dy, at, top, OH, WF, e, e_at, wide, m, n):
    """e = A dY for n values of the m lines of pixels from ``top`` on.

    dy, at           flat array, and the index of the first value in the first line
    top, OH, WF      the first line in its image; height of the image; values in a line
    e, e_at, wide    the buffer, the index of the first value, the distance between its six lines
    m                size of a tile's output
    """
    y0, y1 = load(dy, at, n), load(dy, at + WF, inside(top + 1, OH, n))
    if m == 4:
        y2, y3 = load(dy, at + 2 * WF, inside(top + 2, OH, n)), load(dy, at + 3 * WF, inside(top + 3, OH, n))
        store_six(e, e_at, wide, n, output_gradients(y0, y1, y2, y3, y3))
    else:
        zero = full_like(y0, 0)
        store_six(e, e_at, wide, n, output_gradients(y0, y1, zero, zero, y1))


@inlined
def _output_tiles_adjoint(e, e_at, m, dM, m_at, step, F, TW, n):
    """dM = e Aᵀ for n filters of a line of tiles.

    e, e_at         one of the six lines of the buffer: the index of the first value
    m               size of a tile's output
    dM, m_at, step  36 matrices: the index of the first value, the distance between matrices
    F, TW           filters; number of tiles
    """
    for j in range(TW):
        at = e_at + j * m * F
        y0, y1 = load(e, at, n), load(e, at + F, n)
        if m == 4:
            y2, y3 = load(e, at + 2 * F, n), load(e, at + 3 * F, n)
            store_six(dM, m_at + j * F, step, n, output_gradients(y0, y1, y2, y3, y3))
        else:
            zero = full_like(y0, 0)
            store_six(dM, m_at + j * F, step, n, output_gradients(y0, y1, zero, zero, y1))
