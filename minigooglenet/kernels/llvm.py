"""A block of a matrix product that stays in registers, as LLVM IR: numba cannot express it.

Imported only if numba is used. ``gemm.py`` has the NumPy form.
"""

import itertools
import math
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from .simd_llvm import WIDE, splat

WRITE, ADD, RELU = 0, 1, 2  # as in gemm.py

# Size of the block: AVX-512 has 32 registers of 16 float32, AVX2 has 16 of 8, NEON 32 of 4.
PANEL, ROWS = (32, 8) if WIDE else (16, 6)


def llvm_block(width: int, height: int = ROWS) -> Any:
    """Return a function that multiplies ``height`` rows of A by one panel of B, ``width`` columns wide."""
    @intrinsic
    def block(typing, a, a_at, a_row, a_run, a_k, b, b_at, b_k, runs, K, y, y_at, y_row, rows, columns, shift, shift_at,
              mode, ahead, ahead_step):
        """The signature of the block, for numba.

        typing                       numba's typing context
        a, a_at, a_row, a_run, a_k, b, b_at, b_k, runs, K, y, y_at, y_row, columns, shift, shift_at, mode, ahead,
        ahead_step
                                     types of the arguments, whose meaning is that of ``gemm.numpy_block``
        rows                         number of rows of A and Y. Out-of-range rows of the block are clamped to the last
                                     valid row, which is rewritten harmlessly.
        """
        if {b.dtype, y.dtype, shift.dtype} != {a.dtype}:
            raise TypingError(f"product of {a.dtype} and {b.dtype} into {y.dtype}: all dtypes must be equal")
        return (types.void(a, a_at, a_row, a_run, a_k, b, b_at, b_k, runs, K, y, y_at, y_row, rows, columns, shift,
                           shift_at, mode, ahead, ahead_step),
                lambda context, builder, sig, args: _emit_block(context, builder, sig, args, width, height))
    return block


def _emit_block(context, builder, sig, args, width, height):
    """Emit the LLVM IR of the block. ``builder`` values are SSA values, not numbers."""
    (a, a_at, a_row, a_run, a_k, b, b_at, b_k, runs, K, y, y_at, y_row, rows, columns, shift, shift_at, mode, ahead,
     ahead_step) = (
        context.make_array(t)(context, builder, v).data if isinstance(t, types.Array) else
        context.cast(builder, v, t, types.int64) for t, v in zip(sig.args, args, strict=True))
    scalar, lanes = context.get_value_type(sig.args[0].dtype), min(width, 16)
    vector, int64, int32 = ir.VectorType(scalar, lanes), ir.IntType(64), ir.IntType(32)
    align = context.get_abi_sizeof(scalar)
    name, zero = f"v{lanes}f{8 * align}", ir.Constant(vector, None)
    starts = range(0, width, lanes)  # the first column of each vector

    def plus(at, more):
        return builder.add(at, more if isinstance(more, ir.Value) else int64(more))

    def address(array, at):
        return builder.bitcast(builder.gep(array, [at]), vector.as_pointer())

    def call(function, result, *arguments):
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, function), arguments)

    def masked_load(array, at, masks):
        return [call(f"llvm.masked.load.{name}.p0{name}", vector, address(array, plus(at, start)), int32(align), mask,
                     zero) for start, mask in zip(starts, masks, strict=True)]

    def mode_is(which):
        return builder.icmp_signed("==", mode, int64(which))

    masks = [builder.icmp_signed("<", ir.VectorType(int64, lanes)([start + lane for lane in range(lanes)]),
                                 splat(builder, columns, lanes)) for start in starts]
    last = builder.sub(rows, int64(1))
    each = [builder.select(builder.icmp_signed("<", int64(r), last), int64(r), last) for r in range(height)]
    a_rows = [plus(a_at, builder.mul(r, a_row)) for r in each]
    y_rows = [plus(y_at, builder.mul(r, y_row)) for r in each]

    # Initial values of the sums: Y, the shift, or zero.
    with builder.if_else(mode_is(ADD)) as (adding, not_adding):
        with adding:
            old, old_block = [masked_load(y, at, masks) for at in y_rows], builder.block
        with not_adding:
            relu = splat(builder, mode_is(RELU), lanes)
            shifts = masked_load(shift, shift_at, [builder.and_(mask, relu) for mask in masks])
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

    # For every run and every k: load one row of the panel, and one value of each row of A; multiply and add.
    runs_loop, loop, run_done, after = (builder.append_basic_block(name) for name in ("run", "k", "run_done", "done"))
    builder.branch(runs_loop)

    def begin(block):
        """Begin a loop. Returns its phi nodes: the values carried from one iteration to the next."""
        builder.position_at_end(block)
        return [builder.phi(value.type) for value in [int64(0), int64(0), b_at, ahead, *itertools.chain(*sums)]]

    def enter(phis, values, block):
        for phi, value in zip(phis, values, strict=True):
            phi.add_incoming(value, block)

    outer = begin(runs_loop)
    enter(outer, [int64(0), int64(0), b_at, ahead, *itertools.chain(*sums)], before)
    builder.branch(loop)
    inner = begin(loop)
    enter(inner, [int64(0), *outer[1:]], runs_loop)
    k, a_now, b_now, ahead_now, *totals = inner
    soon = builder.bitcast(builder.gep(b, [ahead_now]), ir.IntType(8).as_pointer())
    call("llvm.prefetch.p0", ir.VoidType(), soon, int32(0), int32(2), int32(1))  # to read, into L2, data
    panel = [builder.load(address(b, plus(b_now, start)), align=align) for start in starts]
    results = []
    for at, row in zip(a_rows, (totals[i:i + len(starts)] for i in range(0, len(totals), len(starts))), strict=True):
        value = splat(builder, builder.load(builder.gep(a, [plus(at, a_now)])), lanes)
        results.append([call(f"llvm.fmuladd.{name}", vector, value, part, total)
                        for part, total in zip(panel, row, strict=True)])
    following, b_following = plus(k, 1), plus(b_now, b_k)
    ahead_following = plus(ahead_now, ahead_step)
    enter(inner, [following, plus(a_now, a_k), b_following, ahead_following, *itertools.chain(*results)], loop)
    builder.cbranch(builder.icmp_signed("<", following, K), loop, run_done)
    builder.position_at_end(run_done)
    run = plus(outer[0], 1)
    enter(outer, [run, plus(outer[1], a_run), b_following, ahead_following, *itertools.chain(*results)], run_done)
    builder.cbranch(builder.icmp_signed("<", run, runs), runs_loop, after)
    builder.position_at_end(after)

    # ReLU clamps values below 0; NaN stays NaN, as in relu.py.
    floor = builder.select(mode_is(RELU), zero, vector([-math.inf] * lanes))
    for at, row in zip(y_rows, results, strict=True):
        for start, mask, value in zip(starts, masks, row, strict=True):
            value = builder.select(builder.fcmp_ordered("<", value, floor), floor, value)
            call(f"llvm.masked.store.{name}.p0{name}", ir.VoidType(), value, address(y, plus(at, start)), int32(align),
                 mask)
    return context.get_dummy_value()
