"""Products of small matrices, compiled: what every convolution comes down to.

    Y = A B        or        Y = max(A B + shift, 0)        or        Y += A B

BLAS is made for large matrices. It first copies both into an order of its own, and Y is written before anything can be
done with it. Ours are small and many, B is the same in all of a batch, and Y goes through a ReLU next: so B is brought
into order once (``pack``), and shift and ReLU happen in the processor's registers.

The registers hold a block of Y, 8×32 numbers with AVX-512. For each k they take in 32 numbers of B, and one after the
other the 8 of A, and add the products: 256 for 40 numbers read. Loops in Python's words would keep it in memory; so
``_write_block`` says it in LLVM's, with vectors. The order of the sums is then fixed, and so are the bits.

Source for the order of loops and the panels: Goto & van de Geijn 2008, "Anatomy of High-Performance Matrix
Multiplication"; for leaving out what pays for large matrices only: Heinecke et al. 2016, "LIBXSMM".
"""

import itertools
import math

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.codegen import get_host_cpu_features
from numba.core.errors import TypingError
from numba.extending import intrinsic

from ..reference.product import padded
from .jit import frozen, inlined, njit, size
from .vectors import spread

# How much fits: processors with AVX-512 have 32 registers of 16 float32, others as few as 16 of 8.
PANEL, ROWS = (32, 8) if "+avx512f" in get_host_cpu_features() else (16, 6)
WRITE, ADD, RELU = 0, 1, 2  # what becomes of the product
SPARE = 7  # numbers that may be read behind the end of B, where it is not packed


def pack(b):
    """As ``reference.product.pack``; on some processors in narrower panels."""
    *before, K, F = b.shape
    packed = np.empty((*before, K * padded(F)), b.dtype)
    _pack(frozen(b).reshape(-1, K, F), packed.reshape(-1, K * padded(F)))
    return packed


@njit
def _width(F):
    """How many columns the next panel has, where F are left."""
    if PANEL == 32 and F > 24:
        return 32
    return 16 if F > 8 else 8


@njit
def _pack(b, packed):
    n, K, F = b.shape
    for i in range(n):
        at, f = size(0), 0
        while f < F:
            width = _width(F - f)
            inside = min(width, F - f)
            for k in range(K):
                for j in range(size(inside)):
                    packed[i, at + j] = b[i, k, size(f) + j]
                for j in range(size(inside), size(width)):
                    packed[i, at + j] = 0
                at += size(width)
            f += width


def _block(width):
    """A function that multiplies ROWS rows of A by a panel of B of so many columns.

    Arrays are flat; ``_at`` says where a matrix begins, ``_row`` and ``_k`` how far apart the next row, the next k is.
    A row of A is ``runs`` runs of K numbers each, ``a_run`` apart. Rows from ``rows`` on are not there: the last one is
    taken in their place, and written once more. Of the columns only the first so many are written.
    """
    @intrinsic
    def block(typing, a, a_at, a_row, a_run, a_k, b, b_at, b_k, runs, K, y, y_at, y_row, rows, columns, shift, shift_at,
              how):
        if {b.dtype, y.dtype, shift.dtype} != {a.dtype}:
            raise TypingError(f"product of {a.dtype} and {b.dtype} into {y.dtype}: all have to be of one type")
        return (types.void(a, a_at, a_row, a_run, a_k, b, b_at, b_k, runs, K, y, y_at, y_row, rows, columns, shift,
                           shift_at, how),
                lambda context, builder, sig, args: _write_block(context, builder, sig, args, width))
    return block


def _write_block(context, builder, sig, args, width):
    """The instructions of that. Values in ``builder`` are not numbers, but where a number will be."""
    a, a_at, a_row, a_run, a_k, b, b_at, b_k, runs, K, y, y_at, y_row, rows, columns, shift, shift_at, how = (
        context.make_array(t)(context, builder, v).data if isinstance(t, types.Array) else
        context.cast(builder, v, t, types.int64) for t, v in zip(sig.args, args, strict=True))
    scalar, lanes = context.get_value_type(sig.args[0].dtype), min(width, 16)
    vector, whole, int32 = ir.VectorType(scalar, lanes), ir.IntType(64), ir.IntType(32)
    align = context.get_abi_sizeof(scalar)
    name, zero = f"v{lanes}f{8 * align}", ir.Constant(vector, None)
    places = range(0, width, lanes)  # where in a row of the panel each vector begins

    def plus(at, more):
        return builder.add(at, more if isinstance(more, ir.Value) else whole(more))

    def address(array, at):
        return builder.bitcast(builder.gep(array, [at]), vector.as_pointer())

    def llvm(function, result, *arguments):
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, function), arguments)

    def load_inside(array, at, masks):
        return [llvm(f"llvm.masked.load.{name}.p0{name}", vector, address(array, plus(at, place)), int32(align), mask,
                     zero) for place, mask in zip(places, masks, strict=True)]

    def is_how(which):
        return builder.icmp_signed("==", how, whole(which))

    inside = [builder.icmp_signed("<", ir.VectorType(whole, lanes)([place + lane for lane in range(lanes)]),
                                  spread(builder, columns, lanes)) for place in places]
    last = builder.sub(rows, whole(1))
    each = [builder.select(builder.icmp_signed("<", whole(r), last), whole(r), last) for r in range(ROWS)]
    from_rows = [plus(a_at, builder.mul(r, a_row)) for r in each]
    to_rows = [plus(y_at, builder.mul(r, y_row)) for r in each]

    # What the sums begin with: Y, the shift, or zero.
    with builder.if_else(is_how(ADD)) as (adding, not_adding):
        with adding:
            old, old_block = [load_inside(y, at, inside) for at in to_rows], builder.block
        with not_adding:
            relu = spread(builder, is_how(RELU), lanes)
            shifts = load_inside(shift, shift_at, [builder.and_(mask, relu) for mask in inside])
            shifts_block = builder.block
    before = builder.block
    sums = []
    for row in old:
        sums.append([])
        for from_y, from_shift in zip(row, shifts, strict=True):
            first = builder.phi(vector)
            first.add_incoming(from_y, old_block)
            first.add_incoming(from_shift, shifts_block)
            sums[-1].append(first)

    # For every run, and every k of it: a panel's row of B, and of each row of A one number.
    runs_loop, loop, run_done, after = (builder.append_basic_block(name) for name in ("run", "k", "run_done", "done"))
    builder.branch(runs_loop)

    def begin(block):
        """Begin a loop; its values are carried from turn to turn."""
        builder.position_at_end(block)
        return [builder.phi(value.type) for value in [whole(0), whole(0), b_at, *itertools.chain(*sums)]]

    def enter(phis, values, block):
        for phi, value in zip(phis, values, strict=True):
            phi.add_incoming(value, block)

    outer = begin(runs_loop)
    enter(outer, [whole(0), whole(0), b_at, *itertools.chain(*sums)], before)
    builder.branch(loop)
    inner = begin(loop)
    enter(inner, [whole(0), *outer[1:]], runs_loop)
    k, a_now, b_now, *totals = inner
    panel = [builder.load(address(b, plus(b_now, place)), align=align) for place in places]
    results = []
    for at, row in zip(from_rows, (totals[i:i + len(places)] for i in range(0, len(totals), len(places))), strict=True):
        value = spread(builder, builder.load(builder.gep(a, [plus(at, a_now)])), lanes)
        results.append([llvm(f"llvm.fmuladd.{name}", vector, value, part, total)
                        for part, total in zip(panel, row, strict=True)])
    following, b_following = plus(k, 1), plus(b_now, b_k)
    enter(inner, [following, plus(a_now, a_k), b_following, *itertools.chain(*results)], loop)
    builder.cbranch(builder.icmp_signed("<", following, K), loop, run_done)
    builder.position_at_end(run_done)
    run = plus(outer[0], 1)
    enter(outer, [run, plus(outer[1], a_run), b_following, *itertools.chain(*results)], run_done)
    builder.cbranch(builder.icmp_signed("<", run, runs), runs_loop, after)
    builder.position_at_end(after)

    # Nothing may be less than this, but a NaN stays one, as in layers/relu.py.
    floor = builder.select(is_how(RELU), zero, vector([-math.inf] * lanes))
    for at, row in zip(to_rows, results, strict=True):
        for place, mask, value in zip(places, inside, row, strict=True):
            value = builder.select(builder.fcmp_ordered("<", value, floor), floor, value)
            llvm(f"llvm.masked.store.{name}.p0{name}", ir.VoidType(), value, address(y, plus(at, place)), int32(align),
                 mask)
    return context.get_dummy_value()


_block_8, _block_16, _block_32 = (_block(width) for width in (8, 16, 32))


@inlined
def multiply(a, a_at, a_row, a_k, P, K, b, b_at, b_panel, b_k, y, y_at, y_row, F, shift, shift_at, how):
    """Y (P, F) from A (P, K) and B (K, F), in flat arrays as ``_block`` has them.

    B is packed (``b_panel`` K, ``b_k`` 0), or as it is (1, and how far apart its rows are), with memory for SPARE more
    numbers behind its end.
    """
    multiply_runs(a, a_at, a_row, 0, a_k, P, 1, K, b, b_at, b_panel, b_k, y, y_at, y_row, F, shift, shift_at, how)


@njit
def multiply_runs(a, a_at, a_row, a_run, a_k, P, runs, K, b, b_at, b_panel, b_k, y, y_at, y_row, F, shift, shift_at,
                  how):
    """The same with A (P, runs K): in each of its rows ``runs`` runs of K numbers, ``a_run`` apart."""
    f = 0
    while f < F:
        width = _width(F - f)
        B, step = b_at + f * b_panel, b_k if b_k else width
        for p in range(0, P, ROWS):
            A, Y, rows, columns, S = a_at + p * a_row, y_at + p * y_row + f, P - p, F - f, shift_at + f
            if width == 32:
                _block_32(a, A, a_row, a_run, a_k, b, B, step, runs, K, y, Y, y_row, rows, columns, shift, S, how)
            elif width == 16:
                _block_16(a, A, a_row, a_run, a_k, b, B, step, runs, K, y, Y, y_row, rows, columns, shift, S, how)
            else:
                _block_8(a, A, a_row, a_run, a_k, b, B, step, runs, K, y, Y, y_row, rows, columns, shift, S, how)
        f += width
