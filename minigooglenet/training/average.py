"""Averaging the weights along the way: what is tested is the average, not the last step."""

import numpy as np


class Average:
    """a ← d a + (1 - d) w, after every step, for all parameters and running statistics.

    Polyak's averaging (Polyak & Juditsky 1992) in its usual running form. d starts small,
    min(decay, (1 + t) / (10 + t)) after t steps, so that the average soon forgets the random beginning. GoogLeNet was
    tested with such an average (Szegedy et al. 2014, section 6).
    """

    def __init__(self, arrays, decay):
        self.live, self.decay, self.steps = arrays, decay, 0
        self.arrays = {path: array.copy() for path, array in arrays.items()}

    def update(self):
        """Move the average towards the network as it is now."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        for path, average in self.arrays.items():
            average += average.dtype.type(1 - decay) * (self.live[path] - average)

    def swap(self):
        """Exchange the average with the network's own arrays, to test it; swap again to go on training."""
        for path, average in self.arrays.items():
            held = average.copy()
            np.copyto(average, self.live[path])
            np.copyto(self.live[path], held)
