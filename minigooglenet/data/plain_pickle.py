"""Reading a pickle without running it: numbers, strings, lists, dicts and NumPy arrays, and nothing else.

A pickle is a program for a stack machine. ``pickle.loads`` runs it, and it may call any function of Python. Here the
instructions are read by ``pickletools.genops``, which runs nothing, and only those that build plain values are carried
out. A call is noted, not made: if it is that of an array, its shape and bytes are taken from the arguments.

Source: the comments in CPython's Lib/pickletools.py; NumPy's ``ndarray.__reduce__``.
"""

import math
import pickletools
from typing import Any, NamedTuple

import numpy as np

from ..errors import UserError, shown

_ARRAY = {f"numpy.{core}.multiarray _reconstruct" for core in ("core", "_core")}
_ENCODE = "_codecs encode"      # how a pickle of protocol 2, written by Python 3, contains bytes


class _Name(str):
    """The name of a function or class, "module name", which is never imported."""


class _Call(NamedTuple):
    """A call that was not made, and the state that the pickle then gives to its result."""
    function: _Name
    arguments: tuple
    state: list


_MARK = object()
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple}
_VALUES = {"BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4", "BINSTRING", "SHORT_BINSTRING", "STRING",
           "BINUNICODE", "SHORT_BINUNICODE", "UNICODE", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}


def plain_values(data: bytes, where: object) -> Any:
    """The value of a pickle. ``str`` of Python 2 becomes str, one character per byte.

    Raises UserError, starting with ``where``, if the pickle is damaged or contains anything but plain values.
    """
    try:
        return _run(data)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, AssertionError, OverflowError,
            RecursionError) as error:
        raise UserError(f"{where}: not a complete pickle of CIFAR ({' '.join(str(error).split())[:100]}); fetch it "
                        "again") from error


def _run(data):
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    for operation, argument, _ in pickletools.genops(data):
        name = operation.name
        if name in _VALUES:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name == "MARK":
            stack.append(_MARK)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if argument is None else argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            stack.append(tuple(_popped(stack, int(name[-1]))))
        elif name in ("TUPLE", "LIST", "DICT"):
            values = _to_mark(stack)
            stack.append({"TUPLE": tuple, "LIST": list, "DICT": _pairs}[name](values))
        elif name in ("APPEND", "APPENDS"):
            values = [stack.pop()] if name == "APPEND" else _to_mark(stack)
            _kind(stack[-1], list).extend(values)
        elif name in ("SETITEM", "SETITEMS"):
            values = _popped(stack, 2) if name == "SETITEM" else _to_mark(stack)
            _kind(stack[-1], dict).update(_pairs(values))
        elif name == "GLOBAL":
            stack.append(_Name(argument))
        elif name == "STACK_GLOBAL":
            stack.append(_Name(" ".join(_popped(stack, 2))))
        elif name == "REDUCE":
            function, arguments = _popped(stack, 2)
            stack.append(_called(_kind(function, _Name), _kind(arguments, tuple)))
        elif name == "BUILD":
            state = stack.pop()
            stack[-1] = _built(_kind(stack[-1], _Call), _kind(state, tuple), memo)
        elif name == "STOP":
            break
        elif name not in ("PROTO", "FRAME"):
            raise _refused(name)
    value, = stack
    return value


def _called(function, arguments):
    if function == _ENCODE:
        text, encoding = arguments
        return text.encode(_one_of(encoding, "latin1"))
    if function not in _ARRAY and function != "numpy dtype":
        raise _refused(function)
    return _Call(function, arguments, [])


def _built(call, state, memo):
    """The result of a call with its state: an array, or the call of a dtype, whose state says its byte order."""
    if call.function not in _ARRAY:
        call.state.extend(state)
        return call
    _, shape, dtype, fortran, data = state
    kind, = _kind(dtype, _Call).arguments[:1]
    order = dtype.state[1] if dtype.state else "|"
    dtype = np.dtype(("<" if order == "|" else _one_of(order, "<", ">")) + _one_of(kind, "u1", "i1", "i4", "i8"))
    data = data.encode("latin1") if isinstance(data, str) else bytes(data)
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise UserError(f"an array of shape {shown(shape)} has {len(data):,} bytes")
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
    for key in [key for key, value in memo.items() if value is call]:   # later references mean the array
        memo[key] = array
    return array


def _one_of(value, *choices):
    if value not in choices:
        raise _refused(repr(value))
    return value


def _kind(value, kind):
    if not isinstance(value, kind):
        raise TypeError(f"{type(value).__name__} instead of {kind.__name__}")
    return value


def _popped(stack, number):
    if len(stack) < number:
        raise IndexError("the stack is empty")
    values = stack[-number:]
    del stack[-number:]
    return values


def _to_mark(stack):
    """The values above the last mark, which are taken from the stack."""
    values: list[Any] = []
    while (value := stack.pop()) is not _MARK:
        values.append(value)
    return values[::-1]


def _pairs(values):
    return dict(zip(values[::2], values[1::2], strict=True))


def _refused(what):
    return UserError(f"a pickle that contains {shown(what)}, which data never need, so it is refused; fetch the "
                     "authors' file")
