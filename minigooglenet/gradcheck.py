"""Is the gradient right? backward against finite differences, for any layer and for a whole network.

backward claims to know how a number L changes when one input or one weight θ moves a little. So move it, and look:

    dL/dθ  ≈  (L(θ + ε) - L(θ - ε)) / 2ε            the central difference; its error shrinks as ε²

with everything in float64, where ε = 1e-6 leaves about ten correct digits. For a layer, L is a random projection of its
output, L = Σ dy · y with random dy, so that no two mistakes cancel (all ones would hide a transposed gradient).
For a network, L is its loss.

    report = gradcheck(layer, x, rng)      one entry after the other: dx, and the gradient of every parameter
    report = directional(layer, x, rng)    one random direction per array: two forwards each, for large networks
    print(report); report.ok

**Errors are relative to the largest gradient** of the array: tiny entries are all rounding, and say nothing.

**Kinks.** ReLU and max pooling have no derivative where they bend. If the bend lies between θ - ε and θ + ε, the
difference quotient is a blend of two slopes, and wrong. It gives itself away: halve ε and it changes, or the slopes
to the left and to the right disagree. Such an entry is counted as a kink and not as an error (Chainer's
``check_backward`` has the same idea). Only the forward pass is asked, so a wrong backward cannot pass for a kink. With
zero biases whole layers can sit exactly on their kinks: give the biases random values first. A report in which more
than 5 % are kinks is not ok.

**Randomness.** Dropout must draw the same mask every time, so all generators are rewound before every forward.
Parameters, gradients, running statistics and generators are afterwards as they were.

Source: LeCun's and everybody's first advice; numbers after Stanford CS231n, "Gradient checks".
"""

from dataclasses import dataclass, field

import numpy as np

TOLERANCE = 1e-7  # for one layer
NETWORK_TOLERANCE = 1e-5  # for a hundred layers on top of each other
MOST_KINKS = 0.05
_FLOOR = 1e-3  # an array whose gradients are all this much smaller than another's is measured by the other's


@dataclass
class Checked:
    """What came of one array: the largest error, relative to the largest gradient, and where it was."""

    error: float = 0.0
    where: tuple = ()
    backward: float = 0.0  # the two derivatives there
    numeric: float = 0.0
    entries: int = 0
    kinks: int = 0


@dataclass
class Report:
    """{"dx" or a parameter's path: Checked}, and the sum of it."""

    tolerance: float
    arrays: dict = field(default_factory=dict)

    @property
    def where(self):
        """The name of the worst array."""
        return max(self.arrays, key=lambda name: self.arrays[name].error)

    @property
    def worst(self):
        """The largest error of all."""
        return self.arrays[self.where].error

    @property
    def entries(self):
        return sum(checked.entries for checked in self.arrays.values())

    @property
    def kinks(self):
        return sum(checked.kinks for checked in self.arrays.values())

    @property
    def ok(self):
        """No error over the tolerance (nor NaN), and few enough kinks for that to mean something."""
        return all(c.error <= self.tolerance for c in self.arrays.values()) and self.kinks <= MOST_KINKS * self.entries

    def __str__(self):
        width = max(map(len, self.arrays))
        lines = [f"{name:{width}}  error {c.error:8.1e}  backward {c.backward:+.6e}  numeric {c.numeric:+.6e}  "
                 f"at {c.where}  {c.entries} checked{f', {c.kinks} on a kink' if c.kinks else ''}"
                 for name, c in self.arrays.items()]
        kinks = f"; {self.kinks} of {self.entries} on a kink" if self.kinks > MOST_KINKS * self.entries else ""
        return "\n".join([*lines, f"{'ok' if self.ok else 'WRONG'}: worst {self.worst:.1e} in {self.where}, "
                                  f"tolerance {self.tolerance:.0e}{kinks and kinks + ': too many to tell'}"])


def gradcheck(layer, x, rng, eps=1e-6, train=True, entries=None, loss=None, tolerance=TOLERANCE):
    """Compare every gradient of ``layer`` at the input x, entry by entry, with its central difference.

    layer: any Layer with float64 parameters; x (N, ...) float64. rng chooses dy, and the entries if ``entries`` limits
    how many are tried in each array. ``loss``: a function y -> (number, dy) to use instead of the random projection; y
    is what forward returns (a list for a Trunk in training). Returns a Report. Raises ValueError unless x and the
    parameters are float64, and where dx has not the shape of x.
    """
    with _Trial(layer, x, rng, train, loss) as trial:
        report = Report(tolerance)
        for name, theta in trial.arrays.items():
            chosen = np.arange(theta.size)
            if entries is not None and entries < theta.size:
                chosen = rng.choice(theta.size, entries, replace=False)
            gradient = trial.gradients[name].reshape(-1)
            scale = max(_largest(gradient), trial.floor)

            def move(step, i, theta=theta):
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


def directional(layer, x, rng, eps=1e-7, train=True, loss=None, tolerance=NETWORK_TOLERANCE):
    """Compare along one random direction v in each array: Σ g · v against (L(θ + εv) - L(θ - εv)) / 2ε.

    Sees every entry of every array at the price of two forwards per array. Errors are relative to the length of g, the
    size that Σ g · v has on average. Arguments and result as for ``gradcheck``.
    """
    with _Trial(layer, x, rng, train, loss) as trial:
        report = Report(tolerance)
        for name, theta in trial.arrays.items():
            v, gradient, old = rng.standard_normal(theta.shape), trial.gradients[name], theta.copy()
            scale = max(np.linalg.norm(_finite(gradient)), trial.floor)

            def move(step, theta=theta, v=v, old=old):
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
    """One derivative: ``move(step)`` gives the terms of L after a step along it."""
    # The terms are subtracted before they are summed: those that did not change cancel exactly.
    ahead, behind = move(eps), move(-eps)
    numeric = (ahead - behind).sum() / (2 * eps)
    difference = float(backward) - float(numeric)
    error = float(abs(difference) / scale) if np.isfinite(difference) else np.inf  # NaN would compare as fine
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
    """A layer and its input laid out for moving: ``arrays`` to move, their ``gradients``, L as a sum of ``terms``."""

    def __init__(self, layer, x, rng, train, loss):
        self.layer, self.train = layer, train
        self.x = np.array(x)  # moved in place, so a copy
        self.arrays = {"dx": self.x, **layer.parameters()}
        for name, array in self.arrays.items():
            if array.dtype != np.float64:
                raise ValueError(f"{name}: got {array.dtype}, needs float64; call layer.astype('float64') first")
        found = {id(inner.rng): inner.rng for _, inner in layer.walk()
                 if isinstance(getattr(inner, "rng", None), np.random.Generator)}
        self.generators = [(generator, generator.bit_generator.state) for generator in found.values()]
        self.rng, self.loss = rng, loss

    def __enter__(self):
        kept = (self.layer.parameters(), self.layer.gradients(), self.layer.state())
        self.before = [(array, array.copy()) for arrays in kept for array in arrays.values()]
        y, cache = self.forward()
        self.dy, self.single = self.choose_dy(y), not isinstance(y, list)
        self.layer.zero_grads()
        dx = self.layer.backward(self.dy, cache)
        if dx.shape != self.x.shape:
            raise ValueError(f"dx: backward returned {dx.shape}, expected the shape of x, {self.x.shape}")
        self.gradients = {"dx": dx, **{path: g.copy() for path, g in self.layer.gradients().items()}}
        self.floor = _FLOOR * max(map(_largest, self.gradients.values())) or 1.0
        return self

    def __exit__(self, *_):
        for array, old in self.before:
            array[...] = old
        self.rewind()

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
        """Numbers whose sum is L."""
        y = self.forward()[0]
        if self.loss is not None:
            return np.array([self.loss(y)[0]])
        if self.single:
            return (self.dy * y).ravel()
        return np.concatenate([(d * part).ravel() for d, part in zip(self.dy, y, strict=True)])
