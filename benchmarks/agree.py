"""Do two sides compute the same? Asked before anything is timed."""

import numpy as np

from minigooglenet.errors import UserError

#: Largest relative error, as ‖a - b‖ / ‖b‖, of the outputs and of all gradients (or updates) together.
#: In float32 gradients may differ by more than rounding: where two numbers in a max pool, or one at a ReLU's kink, are
#: almost equal, a rounding error decides who gets the gradient. So they are checked in float64 as well.
LIMITS = {"float32": (1e-3, 5e-2), "float64": (1e-6, 1e-6)}


def is_output(name):
    return name.startswith("logits") or name == "y"


def errors(ours, theirs):
    """(largest relative error of the outputs, that of everything else together or None)."""
    def norm(values):
        return np.sqrt(sum(float(np.square(v, dtype=np.float64).sum()) for v in values))

    outputs = [name for name in theirs if is_output(name)]
    others = [name for name in theirs if not is_output(name)]
    worst = max(norm([ours[n] - theirs[n]]) / max(norm([theirs[n]]), 1e-30) for n in outputs)
    if not others:
        return worst, None
    return worst, norm([ours[n] - theirs[n] for n in others]) / max(norm([theirs[n] for n in others]), 1e-30)


def check(name, ours, theirs, what, dtype="float32"):
    """Raise UserError unless the numbers of the side called ``name`` are those of ``theirs``. Returns ``errors``."""
    missing = ours.keys() ^ theirs.keys()
    shapes = [key for key in ours if key in theirs and ours[key].shape != theirs[key].shape]
    if missing or shapes:
        raise UserError(f"{what}: {name} and our plain network differ in {sorted(missing or shapes)[0]}; nothing timed")
    output, gradient = errors(ours, theirs)
    for kind, error, limit in zip(("outputs", "gradients"), (output, gradient), LIMITS[dtype], strict=True):
        if error is not None and not error <= limit:
            raise UserError(f"{what}: {name} does not compute the same as our plain network: {kind} differ by "
                            f"{error:.2g} in {dtype} (at most {limit:g}); nothing timed")
    return output, gradient
