"""Several numbers at once, in one register: for loops that the compiler does not find its way through.

``load_16(a, at)`` takes 16 neighbours out of the flat array ``a``, from ``at`` on, as one value; ``store`` puts them
back. ``filled``, ``add``, ``subtract`` and ``where_equal`` work on each for itself. In a kernel they read like numbers.
A value carried from one turn of a loop to the next stays in its register, which a place in an array does not.

Nobody checks whether what is loaded or stored lies inside the array. What an innermost loop calls should be given
vectors only: with an array it makes numba count, each time, who is using it.
"""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, models, register_model


class Vector(types.Type):
    """``lanes`` numbers of one dtype."""

    def __init__(self, dtype, lanes):
        self.dtype, self.lanes = dtype, lanes
        super().__init__(f"Vector({dtype}, {lanes})")


@register_model(Vector)
class _InRegister(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, ir.VectorType(manager.lookup(kind.dtype).get_value_type(), kind.lanes))


def _address(context, builder, kind, signature, arguments):
    """Where in memory the first of the numbers lies, and by how many bytes it is aligned."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    at = context.cast(builder, arguments[1], signature.args[1], types.intp)
    pointer = context.get_value_type(kind).as_pointer()
    return builder.bitcast(builder.gep(array.data, [at]), pointer), kind.dtype.bitwidth // 8


def spread(builder, value, lanes):
    """The instructions that put one value into each place of a vector."""
    vector, int32 = ir.VectorType(value.type, lanes), ir.IntType(32)
    one = builder.insert_element(vector(ir.Undefined), value, int32(0))
    return builder.shuffle_vector(one, vector(ir.Undefined), ir.VectorType(int32, lanes)(None))


def _load(lanes):
    @intrinsic
    def load(typing, a, at):
        kind = Vector(a.dtype, lanes)

        def write(context, builder, signature, arguments):
            address, align = _address(context, builder, kind, signature, arguments)
            return builder.load(address, align=align)
        return kind(a, at), write
    return load


load_16, load_8, load_1 = (_load(lanes) for lanes in (16, 8, 1))


@intrinsic
def store(typing, a, at, value):
    """a[at], a[at + 1], … = value"""
    def write(context, builder, signature, arguments):
        address, align = _address(context, builder, value, signature, arguments)
        builder.store(arguments[2], address, align=align)
        return context.get_dummy_value()
    return types.void(a, at, value), write


@intrinsic
def filled(typing, like, value):
    """A vector of the kind of ``like``, ``value`` in each place."""
    def write(context, builder, signature, arguments):
        return spread(builder, context.cast(builder, arguments[1], value, like.dtype), like.lanes)
    return like(like, value), write


@intrinsic
def add(typing, a, b):
    return a(a, b), lambda context, builder, signature, arguments: builder.fadd(*arguments)


@intrinsic
def subtract(typing, a, b):
    return a(a, b), lambda context, builder, signature, arguments: builder.fsub(*arguments)


@intrinsic
def where_equal(typing, a, b, value):
    """``value`` where a == b, else 0. A NaN equals nothing."""
    def write(context, builder, signature, arguments):
        x, y, then = arguments
        return builder.select(builder.fcmp_ordered("==", x, y), then, then.type(None))
    return value(a, b, value), write
