"""Weights in a file of our own: safetensors, which is a JSON header and raw numbers, and runs no code when read."""

import json

import numpy as np
import safetensors
from safetensors import numpy as safetensors_numpy

from ..errors import UserError
from ..files import write_atomically
from ..inputs import recognise, regular_file

NAMED = 3      # how many differences an error line spells out


def save(path, arrays, metadata=None):
    """Write {name: array} and {word: word} to ``path``; a reader sees the old file or the new one, never half of one.

    Raises UserError where the file cannot be written or an array's dtype has no place in the format, ValueError for no
    arrays at all.
    """
    if not arrays:
        raise ValueError(f"{path}: no arrays to save")          # the library would write a file that it cannot read
    dense = {name: np.asarray(array, order="C") for name, array in arrays.items()}   # the format stores no strides
    for name, array in dense.items():
        if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
            raise UserError(f"{path}: {name} has dtype {array.dtype}, which safetensors cannot hold")
    octets = safetensors_numpy.save(dense, metadata={str(k): str(v) for k, v in (metadata or {}).items()})
    write_atomically(path, lambda file: file.write(octets))


def load(path):
    """({name: array}, metadata) from a safetensors file; the arrays are fresh and writable.

    Raises UserError naming the file where it is missing, foreign, cut short or damaged.
    """
    regular_file(path, "a .safetensors file")
    try:
        with open(path, "rb") as file:
            head = file.read(512)
        what = recognise(head)
        if what is not None:
            raise UserError(f"{path}: expected a .safetensors file, but this is {what}")
        with safetensors.safe_open(path, framework="numpy") as file:
            arrays = {name: np.array(file.get_tensor(name)) for name in file.keys()}
            for name, array in arrays.items():
                if array.dtype.kind not in "fiub":  # some package has taught NumPy bfloat16 or float8
                    raise TypeError(f"{name} is {array.dtype}")
            return arrays, dict(file.metadata() or {})
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (safetensors.SafetensorError, TypeError, ValueError, KeyError) as error:   # TypeError: bfloat16
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: no readable .safetensors file ({reason}); damaged or of another kind") from error


def metadata(path):
    """{word: word} of a safetensors file, without its arrays; UserError as ``load``."""
    return _header(path)[0]


def array_names(path):
    """The names of the arrays of a safetensors file, without reading them; UserError as ``load``."""
    return _header(path)[1]


def _header(path):
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            return dict(file.metadata() or {}), list(file.keys())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    except safetensors.SafetensorError as error:
        raise UserError(f"{path}: no readable .safetensors file ({error}); damaged or of another kind") from error


def load_into(parameters, arrays, where, optional=()):
    """Copy each of ``arrays`` into the array of the same name in ``parameters``, in place: all of them or none.

    where: what the error line begins with, usually the file's path. optional: beginnings of names that may be absent
    on either side, such as ("aux1/", "aux2/"): weights of heads that the file or the network does not have.

    Returns the names that were copied. Raises UserError naming the first differences as came/expected.
    """
    optional = tuple(optional)
    differences, names = [], []
    for name in [*parameters, *(name for name in arrays if name not in parameters)]:
        came, wanted = arrays.get(name), parameters.get(name)
        if came is None or wanted is None:
            if not name.startswith(optional):
                differences.append(f"{name} came {_shape(came)}, expected {_shape(wanted)}")
        elif came.shape != wanted.shape:
            differences.append(f"{name} came {_shape(came)}, expected {_shape(wanted)}")
        elif not np.can_cast(came.dtype, wanted.dtype, "same_kind"):
            differences.append(f"{name} came as {came.dtype}, expected {wanted.dtype}")
        else:
            names.append(name)
    if differences:
        more = f"; and {len(differences) - NAMED} more" if len(differences) > NAMED else ""
        raise UserError(f"{where}: not the weights of this network: {'; '.join(differences[:NAMED])}{more}")
    for name in names:
        np.copyto(parameters[name], arrays[name], casting="same_kind")
    return names


def is_safetensors(path):
    """Whether a file looks like safetensors: 8 bytes of header length, then a JSON object of that length."""
    size = regular_file(path, "the weights")
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size - 8, 100_000_000):
            return False
        try:
            return isinstance(json.loads(file.read(length)), dict)
        except (ValueError, RecursionError):
            return False


def _shape(array):
    return "nothing" if array is None else "×".join(map(str, array.shape)) or "one number"
