"""SIMD registers for numba, as LLVM IR. ``simd.py`` describes the functions and has their NumPy form.

Imported only if numba is used.

numba calls an intrinsic with the types of its arguments; it returns the signature and a function that emits LLVM IR.
The vectors are LLVM's own, of any processor: where a register has fewer lanes, a vector is several registers.
"""

import operator
from typing import Any

from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.core.registry import cpu_target
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

from .memory import LINE


def _target_has_512_bits() -> bool:
    """Whether LLVM adds 16 float32 in one instruction on the processor that numba compiles for.

    That need not be the processor it runs on (NUMBA_CPU_NAME, NUMBA_CPU_FEATURES), so LLVM is asked.
    """
    code, target = cpu_target.target_context.codegen(), binding.Target.from_triple(binding.get_process_triple())
    machine = target.create_target_machine(cpu=code._get_host_cpu_name(), features=code._get_host_cpu_features())
    module = binding.parse_assembly("define <16 x float> @f(<16 x float> %a) "
                                    "{ %b = fadd <16 x float> %a, %a \n ret <16 x float> %b }")
    return "%zmm" in machine.emit_assembly(module)


WIDE = _target_has_512_bits()
LANES = 16 if WIDE else 8


class Vector(types.Type):
    """numba's type of a register: LANES values of one dtype."""

    def __init__(self, dtype: types.Type) -> None:
        self.dtype = dtype
        super().__init__(f"Vector({dtype}, {LANES})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, ir.VectorType(manager.lookup(kind.dtype).get_value_type(), LANES))


def splat(builder: ir.IRBuilder, value: ir.Value, lanes: int) -> ir.Value:
    """Emit the instructions that copy one value to every lane of a vector."""
    vector, int32 = ir.VectorType(value.type, lanes), ir.IntType(32)
    one = builder.insert_element(vector(ir.Undefined), value, int32(0))
    return builder.shuffle_vector(one, vector(ir.Undefined), ir.VectorType(int32, lanes)(None))


# -- memory -----------------------------------------------------------------------------------------------------------


def _in_memory(context, builder, kind, sig, arguments):
    """(the vector's type, pointer to its first value, alignment in bytes, mask of its first n lanes, "v16f32" …) for
    the arguments a, at, n."""
    array = context.make_array(sig.args[0])(context, builder, arguments[0])
    at = context.cast(builder, arguments[1], sig.args[1], types.intp)
    n = builder.trunc(context.cast(builder, arguments[2], sig.args[2], types.int64), ir.IntType(32))
    vector, int32 = context.get_value_type(kind), ir.IntType(32)
    mask = builder.icmp_signed("<", ir.VectorType(int32, LANES)(list(range(LANES))), splat(builder, n, LANES))
    pointer = builder.bitcast(builder.gep(array.data, [at]), vector.as_pointer())
    return vector, pointer, int32(kind.dtype.bitwidth // 8), mask, f"v{LANES}f{kind.dtype.bitwidth}.p0"


def _call(builder, name, result, *arguments):
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


@intrinsic
def load(typing: Any, a: Any, at: Any, n: Any) -> tuple:
    """As ``simd.load_numpy``."""
    kind = Vector(a.dtype)

    def emit(context, builder, sig, arguments):
        vector, pointer, align, mask, name = _in_memory(context, builder, kind, sig, arguments)
        return _call(builder, f"llvm.masked.load.{name}", vector, pointer, align, mask, vector(None))
    return kind(a, at, n), emit


@intrinsic
def store(typing: Any, a: Any, at: Any, n: Any, value: Any) -> tuple:
    """As ``simd.store_numpy``."""
    def emit(context, builder, sig, arguments):
        _, pointer, align, mask, name = _in_memory(context, builder, value, sig, arguments)
        _call(builder, f"llvm.masked.store.{name}", ir.VoidType(), arguments[3], pointer, align, mask)
        return context.get_dummy_value()
    return types.void(a, at, n, value), emit


@intrinsic
def prefetch(typing: Any, a: Any, at: Any, n: Any) -> tuple:
    """As ``simd.prefetch_numpy``."""
    def emit(context, builder, sig, arguments):
        array, int32 = context.make_array(a)(context, builder, arguments[0]), ir.IntType(32)
        at, n = (context.cast(builder, value, kind, types.intp)
                 for value, kind in zip(arguments[1:], sig.args[1:], strict=True))
        line = ir.Constant(n.type, 8 * LINE // a.dtype.bitwidth)
        with cgutils.for_range_slice(builder, at, builder.add(at, n), line, inc=True) as (index, _):
            pointer = builder.bitcast(builder.gep(array.data, [index]), ir.IntType(8).as_pointer())
            reading, everywhere, data = int32(0), int32(3), int32(1)
            _call(builder, "llvm.prefetch.p0", ir.VoidType(), pointer, reading, everywhere, data)
        return context.get_dummy_value()
    return types.void(a, at, n), emit


# -- arithmetic -------------------------------------------------------------------------------------------------------

# a * b + c may become one instruction, which rounds once: as in numba's own code (jit.py)
CONTRACT = ("contract",)


def _operator(function, method):
    """Let ``function`` work on two registers, or on a number and a register."""
    @infer_global(function)
    class OfRegisters(AbstractTemplate):
        def generic(self, arguments, keywords):
            kinds = [a for a in arguments if isinstance(a, Vector)]
            if len(arguments) == 2 and kinds and all(isinstance(a, Vector | types.Number) for a in arguments):
                return signature(kinds[0], *arguments)
            return None

    def emit(context, builder, sig, arguments):
        a, b = (value if isinstance(kind, Vector) else
                splat(builder, context.cast(builder, value, kind, sig.return_type.dtype), LANES)
                for kind, value in zip(sig.args, arguments, strict=True))
        return getattr(builder, method)(a, b, flags=CONTRACT)

    for kinds in ((Vector, Vector), (Vector, types.Number), (types.Number, Vector)):
        lower_builtin(function, *kinds)(emit)


for _function, _method in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
    _operator(_function, _method)


@intrinsic
def full_like(typing: Any, like: Any, value: Any) -> tuple:
    """As ``simd.full_like_numpy``."""
    def emit(context, builder, sig, arguments):
        return splat(builder, context.cast(builder, arguments[1], value, like.dtype), LANES)
    return like(like, value), emit


class Mask(types.Type):
    """numba's type of LANES truth values."""

    def __init__(self) -> None:
        super().__init__(f"Mask({LANES})")


@register_model(Mask)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, ir.VectorType(ir.IntType(1), LANES))


mask = Mask()


@intrinsic
def equal(typing: Any, a: Any, b: Any) -> tuple:
    """As ``simd.equal_numpy``."""
    return mask(a, b), lambda context, builder, sig, arguments: builder.fcmp_ordered("==", *arguments)


@intrinsic
def greater(typing: Any, a: Any, b: Any) -> tuple:
    """As ``simd.greater_numpy``."""
    return mask(a, b), lambda context, builder, sig, arguments: builder.fcmp_ordered(">", *arguments)


@intrinsic
def both(typing: Any, a: Any, b: Any) -> tuple:
    """As ``simd.both_numpy``."""
    return mask(a, b), lambda context, builder, sig, arguments: builder.and_(*arguments)


@intrinsic
def without(typing: Any, a: Any, b: Any) -> tuple:
    """As ``simd.without_numpy``."""
    return mask(a, b), lambda context, builder, sig, arguments: builder.and_(arguments[0], builder.not_(arguments[1]))


@intrinsic
def where(typing: Any, condition: Any, a: Any, b: Any) -> tuple:
    """As ``simd.where_numpy``."""
    return a(condition, a, b), lambda context, builder, sig, arguments: builder.select(*arguments)
