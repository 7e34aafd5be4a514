"""Arrays into networks. The weights of every file pass through ``load_into``, which checks names, shapes and values."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import DTypeLike

from ..errors import ShapeError, UserError
from ..layers.base import Array, Layer
from .names import shown, with_current_names

LARGEST = 1e18     # sums of products of larger values soon exceed float32
NAMED = 3          # number of differences that an error message lists
NO_MEMORY = "V0"   # a dtype of 0 bytes: arrays have shapes, whatever their size, and no memory

Network = TypeVar("Network", bound=Layer)


def build_and_load(build: Callable[[DTypeLike], Network], arrays: Mapping[str, Array], where: object,
                   optional: Iterable[str] = ()) -> Network:
    """The network ``build(dtype)`` with these parameters and running statistics.

    The shapes are compared before the network has memory: a small file may describe a network of any size.
    Raises UserError as ``load_into`` does, and for a network that does not fit its input.
    """
    check_shapes(build, arrays, where, optional)
    net = build("float32")
    load_into(net.parameters() | net.state(), arrays, where, optional)
    return net


def check_shapes(build: Callable[[DTypeLike], Network], arrays: Mapping[str, Array], where: object,
                 optional: Iterable[str] = ()) -> None:
    """Raise UserError unless these are the arrays, by name and shape, of ``build(dtype)``, which gets no memory."""
    try:
        outline = build(NO_MEMORY)
    except (ShapeError, UserError) as error:  # a UserError names an option, and comes from the ShapeError
        raise UserError(f"{where}: describes an impossible network ({error.__cause__ or error})") from error
    _common(outline.parameters() | outline.state(), with_current_names(arrays, where), where, optional)


def load_into(parameters: Mapping[str, Array], arrays: Mapping[str, Array], where: object,
              optional: Iterable[str] = ()) -> list[str]:
    """Copy each of ``arrays`` into the array of the same name in ``parameters``, in place: all of them or none.

    where: the start of the error message, usually the path of the file. optional: prefixes of names that may be missing
    on either side, such as ("aux1/", "aux2/") for auxiliary heads. ``arrays`` may have names of version 0.1.

    Returns the names that were copied. Raises UserError that lists the first differences, and as ``check_values`` does.
    """
    arrays = with_current_names(arrays, where)
    names = _common(parameters, arrays, where, optional)
    if differences := [f"{shown(name)} is {arrays[name].dtype}, expected {parameters[name].dtype}" for name in names
                       if arrays[name].dtype.kind != parameters[name].dtype.kind]:
        raise _other_network(differences, where)
    for name in names:
        check_values(name, arrays[name], where)
    for name in names:
        np.copyto(parameters[name], arrays[name], casting="same_kind")
    return names


def check_values(name: str, array: Array, where: object) -> None:
    """Raise UserError, starting with ``where``, unless all values are finite, below 1e18, and no variance is negative.

    Other values come from a damaged file (one flipped bit makes 4e36 of 0.01) or from a training run that diverged.
    Predictions would be meaningless.
    """
    valid = np.abs(array.astype(np.float32) if array.dtype == np.float16 else array) <= LARGEST    # False for NaN
    wanted = f"finite values up to {LARGEST:g}"
    if name.endswith("variance") and valid.all():
        valid, wanted = array >= 0, "variances of 0 or more"
    if not valid.all():
        at = np.unravel_index(valid.argmin(), valid.shape)
        index = f"[{', '.join(map(str, at))}]" if at else ""
        wrong = np.count_nonzero(~valid)
        more = f" ({wrong:,} of its {valid.size:,} values are wrong)" if wrong > 1 else ""
        raise UserError(f"{where}: {shown(name)}{index} is {array[at]:g}, expected {wanted}{more}; damaged, or from a "
                        "training run that diverged")


def _common(parameters, arrays, where, optional):
    """The names that both have. Raises UserError for a name that one lacks, unless optional, and for another shape."""
    optional = tuple(optional)
    differences, names = [], []
    for name in [*parameters, *(name for name in arrays if name not in parameters)]:
        found, wanted = arrays.get(name), parameters.get(name)
        if found is None or wanted is None:
            if not name.startswith(optional):
                differences.append(f"{shown(name)} is {_shape(found, 'missing')}, expected {_shape(wanted, 'nothing')}")
        elif found.shape != wanted.shape:
            differences.append(f"{shown(name)} is {_shape(found, 'missing')}, expected {_shape(wanted, 'nothing')}")
        else:
            names.append(name)
    if differences:
        raise _other_network(differences, where)
    return names


def _other_network(differences, where):
    more = f"; and {len(differences) - NAMED} more" if len(differences) > NAMED else ""
    return UserError(f"{where}: not the weights of this network: {'; '.join(differences[:NAMED])}{more}")


def _shape(array, absent):
    return absent if array is None else "×".join(map(str, array.shape)) or "a scalar"
