"""A network that only predicts: a few images at a time go through all its layers, executed as plans."""

import functools
import math
from collections.abc import Callable, Iterator
from itertools import groupby

import numpy as np

from ..kernels.threads import blas_on_one_thread, inside_a_task, over_chunks, pinned_cores
from ..layers import Array, Dense, Layer, Sequential, Shape, Trunk
from ..layers.base import join
from ..layers.containers import call
from .frozen import FrozenDense
from .known import replaces
from .plan import Plan, plannable

CHUNK = 2 ** 20  # values in the largest activation of the images that go through a network together
PARTS = 4        # into so many a batch is cut


def flat(net: Layer, path: str = "") -> Iterator[tuple[str, Layer]]:
    """(path, layer) of all layers that run one after the other."""
    if type(net) is Sequential:
        for name, child in net.children.items():
            yield from flat(child, join(path, name))
    else:
        yield path, FrozenDense(net) if replaces(net, Dense) else net


class Planned(Layer):
    """Layers, one after the other, executed as a plan."""

    def __init__(self, layers: dict[str, Layer]) -> None:
        super().__init__()
        self.plan = functools.lru_cache(8)(functools.partial(Plan, layers))  # of (shape, dtype, parallel)

    def predict(self, x: Array) -> Array:
        return self.plan(x.shape, x.dtype, not inside_a_task()).run(x)


class Chunked(Layer):
    """Takes a few images at a time through all layers, each such chunk on one thread. Where a few large images make
    only one chunk, the threads share out each layer instead."""

    def __init__(self, net: Layer) -> None:
        super().__init__()
        self.net = net.trunk if isinstance(net, Trunk) else net  # heads are for training
        self.stages: list[tuple[str, Layer]] = []
        for together, some in groupby(flat(self.net), lambda item: plannable(item[1])):
            layers = list(some)
            self.stages += [("", Planned(dict(layers)))] if together else layers
        self.fitting: Callable[[Shape], int] = functools.cache(self.count_fitting)

    def output_shape(self, shape: Shape) -> Shape:
        return self.net.output_shape(shape)

    def count_fitting(self, shape: Shape) -> int:
        """How many images of ``shape`` have activations that stay in the cache."""
        return max(1, CHUNK // max(math.prod(after) for *_, after in self.net.trace(shape)))

    def through(self, x: Array) -> Array:
        """All layers, for images that go through them together."""
        for name, layer in self.stages:
            x = call(name, layer.predict, x)
        return x

    def predict(self, x: Array) -> Array:
        if not len(x):
            return np.empty((0, *self.output_shape(x.shape[1:])), x.dtype)
        N, fitting = len(x), self.fitting(x.shape[1:])
        small, share = fitting >= PARTS, -(-N // PARTS)
        if small:  # nothing to gain within an image, and short tasks cost more than they save
            size = min(fitting, max(share, fitting // 4))
        elif N < PARTS:
            size = PARTS  # too few to give every thread one: share out each layer instead
        else:
            size = max(fitting, min(share, 4))  # each chunk reads all filters: no fewer than four, if there are many
        count = max(1, -(-N // size))
        with pinned_cores(), blas_on_one_thread():
            return np.concatenate(over_chunks(lambda s: self.through(x[s]), N, max(1, -(-N // count))))
