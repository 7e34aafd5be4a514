"""What ``plan.py`` needs of LLVM IR: counters that threads share, arrays at an address, calls of compiled kernels.

Imported only if numba is used.
"""

from collections.abc import Callable
from typing import Any

from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array


def _counter(context, builder, sig, arguments):
    counters = context.make_array(sig.args[0])(context, builder, arguments[0])
    return builder.gep(counters.data, [context.cast(builder, arguments[1], sig.args[1], types.intp)])


@intrinsic
def add(typing: Any, counters: Any, at: Any, value: Any) -> tuple:
    """Add ``value`` to counters[at], an int64 that threads share, and return what it was before.

    Who reads the sum also finds all that this thread wrote before.
    """
    def emit(context, builder, sig, arguments):
        more = context.cast(builder, arguments[2], sig.args[2], types.int64)
        return builder.atomic_rmw("add", _counter(context, builder, sig, arguments), more, "seq_cst")
    return types.int64(counters, at, value), emit


@intrinsic
def read(typing: Any, counters: Any, at: Any) -> tuple:
    """counters[at], an int64 that threads share, as it is now."""
    def emit(context, builder, sig, arguments):
        return builder.load_atomic(_counter(context, builder, sig, arguments), "seq_cst", 8)
    return types.int64(counters, at), emit


@intrinsic
def array_at(typing: Any, address: Any, shape: Any, like: Any) -> tuple:
    """The contiguous array at an address, of the dtype of ``like``, an array or a dtype. Nothing keeps it alive."""
    kind = types.Array(like.dtype, len(shape), "C")

    def emit(context, builder, sig, arguments):
        array = context.make_array(kind)(context, builder)
        itemsize = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(kind.dtype)))
        lengths = [context.cast(builder, builder.extract_value(arguments[1], k), have, types.intp)
                   for k, have in enumerate(sig.args[1])]
        strides = [itemsize]
        for length in lengths[:0:-1]:
            strides.insert(0, builder.mul(strides[0], length))
        populate_array(array, builder.inttoptr(arguments[0], array.data.type), lengths, strides, itemsize, None)
        return array._getvalue()
    return kind(types.int64, shape, like), emit


def machine_code(kernel: Any, arguments: tuple) -> int:
    """The address of a kernel's machine code for arguments of these types, for ``caller``.

    So a kernel that calls others need not contain them: numba would compile them once more into it. While ``ahead.py``
    finds out which kernels are needed it is 0, as nothing is compiled.
    """
    kernel.compile(arguments)
    compiled = kernel.overloads.get(arguments)
    return 0 if compiled is None else compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)


def caller(kernel: Any, arguments: Callable[[Any], dict[Any, tuple]]) -> Any:
    """A function for other kernels, (address, like, values): call the machine code of ``kernel`` with a tuple of
    arguments. It returns nothing.

    ``arguments(dtype)[kernel]`` are the types that it is compiled for, where ``like`` is an array of that dtype.
    """
    @intrinsic
    def call(typing, address, like, values):
        wanted = arguments(like.dtype)[kernel]

        def emit(context, builder, sig, given):
            code = builder.inttoptr(given[0], context.call_conv.get_function_type(types.void, wanted).as_pointer())
            passed = [context.cast(builder, builder.extract_value(given[2], k), have, want)
                      for k, (have, want) in enumerate(zip(sig.args[2], wanted, strict=True))]
            status, _ = context.call_conv.call_function(builder, code, types.void, wanted, passed)
            with cgutils.if_unlikely(builder, status.is_error):
                context.call_conv.return_status_propagate(builder, status)
            return context.get_dummy_value()
        return types.void(types.int64, like, values), emit
    return call
