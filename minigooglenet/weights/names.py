"""Names of arrays: those that version 0.1 wrote."""

import re
from collections.abc import Mapping
from typing import TypeVar

from ..errors import UserError, shown

T = TypeVar("T")

_BATCH_NORM = re.compile(r"_bn/(gamma|beta|mean|variance)$")


def current_name(path: str) -> str:
    """The current path of an array: ``4a/3x3_bn/gamma`` (version 0.1) -> ``4a/3x3/bn/gamma``.

    Other names are returned unchanged. A prefix such as ``average/`` is kept.
    """
    return _BATCH_NORM.sub(r"/bn/\1", path)


def with_current_names(arrays: Mapping[str, T], where: object) -> dict[str, T]:
    """``arrays`` under their current names. Raises UserError, starting with ``where``, if two names become one."""
    renamed = {current_name(name): array for name, array in arrays.items()}
    if len(renamed) < len(arrays):
        double = next(name for name in arrays if name != current_name(name) and current_name(name) in arrays)
        raise UserError(f"{where}: contains both {shown(double)} and {shown(current_name(double))}, two names of one "
                        "array")
    return renamed
