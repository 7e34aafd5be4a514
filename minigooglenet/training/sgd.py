"""Stochastic gradient descent with momentum."""

import numpy as np

from .. import kernels
from ..threads import side_by_side


class SGD:
    """g ← dw + λ w        v ← μ v + g        w ← w - η v        (Nesterov: w ← w - η (g + μ v))

    ``parameters`` {path: array}, all different arrays, are changed in place, side by side. λ (``weight_decay``) spares
    biases and the parameters of normalisation: everything with one axis. ``velocity`` {path: array} is all the state
    there is.
    Source: Polyak 1964; Sutskever et al. 2013 for Nesterov's form; Szegedy et al. 2014, section 6: μ = 0.9.
    """

    def __init__(self, parameters, momentum=0.9, weight_decay=0.0, nesterov=False):
        self.parameters = parameters
        self.momentum, self.weight_decay, self.nesterov = momentum, weight_decay, nesterov
        self.velocity = {path: np.zeros_like(w) for path, w in parameters.items()}

    def step(self, gradients, lr):
        """One update with learning rate ``lr`` from {path: gradient}, keyed like the parameters."""
        def update(path):
            w = self.parameters[path]
            kernels.descend(w, gradients[path], self.velocity[path], lr, self.momentum,
                            self.weight_decay if w.ndim > 1 else 0, self.nesterov)

        side_by_side([(update, path) for path in self.parameters])
