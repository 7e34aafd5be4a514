"""Learning rate schedules. Each is a function (progress, epochs) -> factor on the highest learning rate.

``progress`` runs from 0 to 1 over the whole training; ``epochs`` is the length of the training.
"""

import math
from collections.abc import Callable


def steps(progress: float, epochs: int) -> float:
    """The paper's schedule: × 0.96 every 8 epochs (Szegedy et al. 2014, section 6)."""
    return 0.96 ** math.floor(progress * epochs / 8)


def polynomial(progress: float, epochs: int) -> float:
    """(1 - progress)^0.5: Caffe's quick_solver for GoogLeNet."""
    return math.sqrt(max(0.0, 1 - progress))


def cosine(progress: float, epochs: int) -> float:
    """Half a cosine from 1 to 0 (Loshchilov & Hutter 2017)."""
    return (1 + math.cos(math.pi * progress)) / 2


def one_cycle(progress: float, epochs: int, warmup: float = 0.25) -> float:
    """Linear from 0 to 1 over the first quarter, then linear to 0 (Smith & Topin 2017). Best for short runs."""
    return progress / warmup if progress < warmup else (1 - progress) / (1 - warmup)


def constant(progress: float, epochs: int) -> float:
    """Always 1."""
    return 1.0


SCHEDULES: dict[str, Callable[[float, int], float]] = {
    function.__name__.replace("_", "-"): function for function in (steps, polynomial, cosine, one_cycle, constant)}
