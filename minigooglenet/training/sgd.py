"""Stochastic gradient descent with momentum."""

import numpy as np

from ..kernels.momentum import momentum_step
from ..kernels.threads import over_arrays
from ..layers.base import Array


class SGD:
    """g ← dw + λ w        v ← μ v + g        w ← w - η v        (Nesterov: w ← w - η (g + μ v))

    ``parameters`` {path: array}, all different arrays, are updated in place and in parallel. Weight decay λ does not
    apply to biases and to the parameters of batch norm, that is to arrays with one axis. The learning rate of batch
    norm's β is η · ``beta_lr``. ``velocity`` {path: array} is the optimizer's whole state.
    Source: Polyak 1964; Sutskever et al. 2013 for Nesterov's form; Szegedy et al. 2014, section 6: μ = 0.9.
    """

    def __init__(self, parameters: dict[str, Array], momentum: float = 0.9, weight_decay: float = 0.0,
                 nesterov: bool = False, beta_lr: float = 1.0) -> None:
        self.parameters = parameters
        self.momentum, self.weight_decay, self.nesterov = momentum, weight_decay, nesterov
        self.sizes = {path: w.size for path, w in parameters.items()}
        self.lr_factor = {path: beta_lr if path.endswith("/beta") else 1.0 for path in parameters}
        self.velocity = {path: np.zeros_like(w) for path, w in parameters.items()}

    def step(self, gradients: dict[str, Array], lr: float) -> None:
        """One update with learning rate ``lr`` from {path: gradient}, keyed like the parameters."""
        def update(path):
            w = self.parameters[path]
            momentum_step(w, gradients[path], self.velocity[path], lr * self.lr_factor[path], self.momentum,
                          self.weight_decay if w.ndim > 1 else 0, self.nesterov)

        over_arrays(update, self.sizes)
