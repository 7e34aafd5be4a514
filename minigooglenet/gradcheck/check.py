"""Gradient checking: backward against finite differences, for any layer and for a whole network.

backward computes how a scalar L changes with one input or one weight θ. The central difference computes the same from
forward alone, with an error that shrinks as ε²:

    dL/dθ  ≈  (L(θ + ε) - L(θ - ε)) / 2ε

Everything is float64, where ε = 1e-6 leaves about ten correct digits. For a layer, L is a random projection of its
output, L = Σ dy · y with random dy; a dy of ones would hide mistakes such as a transposed gradient. For a network, L is
its loss.

    report = gradcheck(layer, x, rng)      one entry after the other: dx, and the gradient of every parameter
    report = directional(layer, x, rng)    one random direction per array: two forward passes each, for large networks
    print(report); report.ok

**Errors are relative to the largest gradient** of the array: tiny entries are mostly rounding error.

**Gradients add up.** backward must add to ``grads``. It runs twice, and what the second run adds is checked.

**Kinks.** ReLU and max pooling are not differentiable everywhere. If a kink lies between θ - ε and θ + ε, the
difference quotient mixes two slopes. Then it changes when ε is halved, or the slopes to the left and to the right
differ. Such an entry is counted as a kink and not as an error (Chainer's ``check_backward`` does the same). Only the
forward pass decides, so a wrong backward cannot pass for a kink. With zero biases whole layers can sit exactly on their
kinks: give the biases random values first. A report with more than 5 % kinks is not ok.

**Randomness.** Dropout must draw the same mask every time, so all generators are rewound before every forward.
Parameters, gradients, running statistics and generators are restored afterwards.

Source: Stanford CS231n, "Gradient checks", for ε, the relative error and the kinks.
"""

import contextlib
import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from ..kernels.threads import one_thread
from ..layers.base import Array, Layer

#: The output of a layer, or the list of a Trunk's in training -> (L, dL/dy).
Loss: TypeAlias = Callable[[Any], tuple[float, Any]]

TOLERANCE = 1e-7  # for one layer
NETWORK_TOLERANCE = 1e-5  # for a network of a hundred layers
MOST_KINKS = 0.05
SMALL = 1 << 16  # values of x: for fewer, a thread takes longer to wake up than a layer to run
_FLOOR = 1e-3  # errors are relative to at least this fraction of the largest gradient of all arrays


@dataclass
class Checked:
    """The result for one array: the largest error, relative to the largest gradient, and its position."""

    error: float = 0.0
    where: tuple[int, ...] | str = ()
    backward: float = 0.0  # the two derivatives at that position
    numeric: float = 0.0
    entries: int = 0
    kinks: int = 0


@dataclass
class Report:
    """The results for all arrays, {"dx" or a parameter's path: Checked}, and their summary."""

    tolerance: float
    arrays: dict[str, Checked] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """The name of the array with the largest error."""
        return max(self.arrays, key=lambda name: self.arrays[name].error)

    @property
    def worst(self) -> float:
        """The largest error."""
        return self.arrays[self.where].error

    @property
    def entries(self) -> int:
        """How many entries were checked."""
        return sum(checked.entries for checked in self.arrays.values())

    @property
    def kinks(self) -> int:
        """How many of them are on a kink."""
        return sum(checked.kinks for checked in self.arrays.values())

    @property
    def ok(self) -> bool:
        """No error exceeds the tolerance or is NaN, and at most 5 % of the entries are on a kink."""
        return all(c.error <= self.tolerance for c in self.arrays.values()) and self.kinks <= MOST_KINKS * self.entries

    def __str__(self) -> str:
        width = max(map(len, self.arrays))
        lines = [f"{name:{width}}  error {c.error:8.1e}  backward {c.backward:+.6e}  numeric {c.numeric:+.6e}  "
                 f"at {c.where}  {c.entries} checked{f', {c.kinks} on a kink' if c.kinks else ''}"
                 for name, c in self.arrays.items()]
        kinks = f"; {self.kinks} of {self.entries} on a kink" if self.kinks > MOST_KINKS * self.entries else ""
        return "\n".join([*lines, f"{'ok' if self.ok else 'WRONG'}: worst {self.worst:.1e} in {self.where}, "
                                  f"tolerance {self.tolerance:.0e}{kinks and kinks + ': too many to tell'}"])


def gradcheck(layer: Layer, x: Array, rng: np.random.Generator | int = 0, eps: float = 1e-6, train: bool = True,
              entries: int | None = None, loss: Loss | None = None, tolerance: float = TOLERANCE) -> Report:
    """Compare every gradient of ``layer`` at the input x, entry by entry, with its central difference.

    ``layer`` is any Layer, x (N, ...); both are checked in float64: another precision is converted, in a copy. ``rng``,
    a generator or a seed, draws dy, and chooses ``entries`` entries of each array (None: all). ``loss`` is a function
    y -> (L, dy) that replaces the random projection; y is what forward returns (a list for a Trunk in training).
    Returns a Report. Raises ValueError if dx has another shape than x.
    """
    rng = np.random.default_rng(rng)
    with _Trial(layer, x, rng, train, loss) as trial:
        report = Report(tolerance)
        for name, theta in trial.arrays.items():
            chosen = np.arange(theta.size)
            if entries is not None and entries < theta.size:
                chosen = rng.choice(theta.size, entries, replace=False)
            gradient = trial.gradients[name].reshape(-1)
            scale = max(_largest(gradient), trial.floor)

            def move(step: float, i: int, theta: Array = theta) -> Array:
                old = theta.flat[i]
                theta.flat[i] = old + step
                terms = trial.terms()
                theta.flat[i] = old
                return terms

            checked = Checked(entries=len(chosen))
            for i in chosen:
                _compare(checked, gradient[i], lambda step, i=i, move=move: move(step, i), trial, eps, scale,
                         tuple(map(int, np.unravel_index(i, theta.shape))), tolerance)
            report.arrays[name] = checked
    return report


def directional(layer: Layer, x: Array, rng: np.random.Generator | int = 0, eps: float = 1e-7, train: bool = True,
                loss: Loss | None = None, tolerance: float = NETWORK_TOLERANCE) -> Report:
    """Compare along one random direction v in each array: Σ g · v against (L(θ + εv) - L(θ - εv)) / 2ε.

    Every entry of every array takes part, at the cost of two forward passes per array. Errors are relative to the norm
    of g, which is the average size of Σ g · v. Arguments and result are those of ``gradcheck``.
    """
    rng = np.random.default_rng(rng)
    with _Trial(layer, x, rng, train, loss) as trial:
        report = Report(tolerance)
        for name, theta in trial.arrays.items():
            v, gradient, old = rng.standard_normal(theta.shape), trial.gradients[name], theta.copy()
            scale = max(np.linalg.norm(_finite(gradient)), trial.floor)

            def move(step: float, theta: Array = theta, v: Array = v, old: Array = old) -> Array:
                theta += step * v
                terms = trial.terms()
                theta[...] = old
                return terms

            checked = Checked(entries=1)
            _compare(checked, np.vdot(gradient, v), move, trial, eps, scale, "a random direction", tolerance)
            report.arrays[name] = checked
    return report


def _finite(a):
    return a[np.isfinite(a)]


def _largest(a):
    return np.abs(_finite(a)).max(initial=0)


def _compare(checked, backward, move, trial, eps, scale, where, tolerance):
    """Compare one derivative. ``move(step)`` returns the terms of L after a step in its direction."""
    # The terms are subtracted before they are summed, so that terms that do not change cancel exactly.
    ahead, behind = move(eps), move(-eps)
    numeric = (ahead - behind).sum() / (2 * eps)
    difference = float(backward) - float(numeric)
    error = float(abs(difference) / scale) if np.isfinite(difference) else np.inf  # NaN > tolerance is False
    if error > tolerance:  # wrong, or on a kink?
        half = (move(eps / 2) - move(-eps / 2)).sum() / eps
        here = trial.terms()
        right, left = (ahead - here).sum() / eps, (here - behind).sum() / eps
        if abs(half - numeric) > 0.01 * error * scale or abs(right - left) > max(error, 1e-4) * scale:
            checked.kinks += 1
            return
    if error >= checked.error:
        checked.error, checked.where = error, where
        checked.backward, checked.numeric = float(backward), float(numeric)


class _Trial:
    """A layer and its input, prepared for the comparison: the ``arrays`` to vary, their ``gradients`` from backward,
    and L as a sum of ``terms``."""

    def __init__(self, layer: Layer, x: Array, rng: np.random.Generator, train: bool, loss: Loss | None):
        if any(array.dtype != np.float64 for array in layer.parameters().values()):
            layer = copy.deepcopy(layer).astype(np.float64)
        self.layer, self.train = layer, train
        self.x = np.array(x, np.float64)  # varied in place, so a copy
        self.arrays = {"dx": self.x, **layer.parameters()}
        drawing = (getattr(inner, "rng", None) for _, inner in layer.walk())
        found = {id(one): one for one in drawing if isinstance(one, np.random.Generator)}
        self.generators = [(generator, generator.bit_generator.state) for generator in found.values()]
        self.rng, self.loss = rng, loss

    def __enter__(self):
        kept = (self.layer.parameters(), self.layer.gradients(), self.layer.state())
        self.before = [(array, array.copy()) for arrays in kept for array in arrays.values()]
        try:
            self.prepare()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for array, old in self.before:
            array[...] = old
        self.rewind()

    def prepare(self):
        """Run backward twice, from zero gradients: ``gradients`` are what the second run adds."""
        self.layer.zero_grads()
        self.dy = None
        for _ in range(2):
            y, cache = self.forward()
            if self.dy is None:
                self.dy, self.single = self.choose_dy(y), not isinstance(y, list)
            before = {path: g.copy() for path, g in self.layer.gradients().items()}
            dx = self.layer.backward(self.dy, cache)
            if dx.shape != self.x.shape:
                raise ValueError(f"dx: backward returned {dx.shape}, expected the shape of x, {self.x.shape}")
        with np.errstate(invalid="ignore"):  # infinite gradients are reported as errors
            self.gradients = {"dx": dx, **{path: g - before[path] for path, g in self.layer.gradients().items()}}
        self.floor = _FLOOR * max(map(_largest, self.gradients.values())) or 1.0

    def rewind(self):
        for generator, state in self.generators:
            generator.bit_generator.state = state

    def forward(self):
        self.rewind()
        return self.layer.forward(self.x, self.train)

    def choose_dy(self, y):
        if self.loss is not None:
            return self.loss(y)[1]
        if isinstance(y, list):
            return [self.rng.standard_normal(part.shape) for part in y]
        return self.rng.standard_normal(y.shape)

    def terms(self):
        """Values whose sum is L."""
        with one_thread() if self.x.size < SMALL else contextlib.nullcontext():
            y = self.forward()[0]
        if self.loss is not None:
            return np.array([self.loss(y)[0]])
        if self.single:
            return (self.dy * y).ravel()
        return np.concatenate([(d * part).ravel() for d, part in zip(self.dy, y, strict=True)])
