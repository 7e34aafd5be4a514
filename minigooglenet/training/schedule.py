"""How the learning rate moves. Each schedule: (progress, epochs) -> factor on the highest rate.

``progress`` runs from 0 to 1 over the whole training, ``epochs`` is how long that is.
"""

import math


def steps(progress, epochs):
    """The paper's: × 0.96 every 8 epochs (Szegedy et al. 2014, section 6)."""
    return 0.96 ** math.floor(progress * epochs / 8)


def polynomial(progress, epochs):
    """(1 - progress)^0.5: Caffe's quick_solver for GoogLeNet."""
    return math.sqrt(max(0.0, 1 - progress))


def cosine(progress, epochs):
    """Half a cosine from 1 to 0 (Loshchilov & Hutter 2017)."""
    return (1 + math.cos(math.pi * progress)) / 2


def one_cycle(progress, epochs, warmup=0.25):
    """Up in a straight line for the first quarter, then down to 0 (Smith & Topin 2017): the fastest for short runs."""
    return progress / warmup if progress < warmup else (1 - progress) / (1 - warmup)


def constant(progress, epochs):
    """Always 1."""
    return 1.0


SCHEDULES = {function.__name__.replace("_", "-"): function
             for function in (steps, polynomial, cosine, one_cycle, constant)}
