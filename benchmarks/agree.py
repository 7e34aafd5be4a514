"""Whether two sides compute the same values. Checked before anything is timed."""

from collections.abc import Iterable, Mapping

import numpy as np

from minigooglenet.errors import UserError
from minigooglenet.layers import Array

#: Largest relative error, ‖a - b‖ / ‖b‖, of the outputs, and of all gradients (or updates) together.
#: In float32, gradients may differ by more than rounding: where two values in a max pooling window are almost equal, or
#: one is almost at a ReLU's kink, a rounding error decides which gets the gradient. So float64 is checked as well.
LIMITS = {"float32": (1e-3, 5e-2), "float64": (1e-6, 1e-6)}


def is_output(name: str) -> bool:
    """Whether an array called ``name`` is an output of the network, and not a gradient or an update."""
    return name.startswith("logits") or name == "y"


def errors(values: Mapping[str, Array], reference: Mapping[str, Array]) -> tuple[float, float | None]:
    """(largest relative error of an output, relative error of everything else together or None)"""
    def norm(arrays: Iterable[Array]) -> float:
        return np.sqrt(sum(float(np.square(a, dtype=np.float64).sum()) for a in arrays))

    outputs = [name for name in reference if is_output(name)]
    others = [name for name in reference if not is_output(name)]
    worst = max(norm([values[n] - reference[n]]) / max(norm([reference[n]]), 1e-30) for n in outputs)
    if not others:
        return worst, None
    return worst, norm(values[n] - reference[n] for n in others) / max(norm(reference[n] for n in others), 1e-30)


def check(name: str, values: Mapping[str, Array], reference: Mapping[str, Array], what: str,
          dtype: str = "float32") -> tuple[float, float | None]:
    """Raise UserError unless the values of the side called ``name`` agree with the reference. Returns ``errors``."""
    missing = values.keys() ^ reference.keys()
    shapes = [key for key in values if key in reference and values[key].shape != reference[key].shape]
    if missing or shapes:
        raise UserError(f"{what}: {name} and our plain network differ in {sorted(missing or shapes)[0]}; nothing timed")
    output, gradient = errors(values, reference)
    for kind, error, limit in zip(("outputs", "gradients"), (output, gradient), LIMITS[dtype], strict=True):
        if error is not None and not error <= limit:
            raise UserError(f"{what}: {name} and our plain network compute different values: {kind} differ by "
                            f"{error:.2g} in {dtype} (at most {limit:g}); nothing timed")
    return output, gradient
