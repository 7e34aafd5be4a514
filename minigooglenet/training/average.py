"""Averaging the weights during training. The averaged weights are the ones that are tested and used."""

import numpy as np

from ..kernels.momentum import average_step
from ..kernels.threads import over_arrays
from ..layers.base import Array


class Average:
    """a ← d a + (1 - d) w, after every step, for all parameters and running statistics: an exponential moving average.

    d starts small, min(decay, (1 + t) / (10 + t)) after t steps, so that the average soon forgets the random
    initialization. GoogLeNet was tested with Polyak averaging (Polyak & Juditsky 1992; Szegedy et al. 2014, section 6);
    this is its usual running form.

    ``live`` {path: array} are the network's own arrays, ``arrays`` {path: array} their averages.
    """

    def __init__(self, arrays: dict[str, Array], decay: float) -> None:
        self.live, self.decay, self.steps = arrays, decay, 0
        self.arrays = {path: array.copy() for path, array in arrays.items()}
        self.sizes = {path: array.size for path, array in arrays.items()}

    def update(self) -> None:
        """Move the averages towards the network's current arrays."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        over_arrays(lambda path: average_step(self.arrays[path], self.live[path], 1 - decay), self.sizes)

    def swap(self) -> None:
        """Exchange the averages with the network's own arrays, to test them. Swap again before training goes on."""
        for path, average in self.arrays.items():
            held = average.copy()
            np.copyto(average, self.live[path])
            np.copyto(self.live[path], held)
