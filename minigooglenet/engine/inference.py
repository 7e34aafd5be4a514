"""A network that only predicts: a few images at a time go through all its layers, executed as plans."""

import functools
import math
from collections.abc import Callable, Iterator
from itertools import groupby

import numpy as np

from ..kernels.threads import blas_on_one_thread, chunks, inside_a_task, over_chunks, pinned_cores, threads
from ..layers import Array, Dense, Layer, Sequential, Shape, Trunk
from ..layers.base import join
from ..layers.containers import call
from .frozen import FrozenDense
from .known import replaces
from .plan import Plan, plannable

CHUNK = 2 ** 20  # values in the largest activation of the images that go through a network together
MOST = 16        # images in a chunk
PARTS = 4        # into so many chunks a batch of small images is cut; of large ones so many make a chunk


def flat(net: Layer, path: str = "") -> Iterator[tuple[str, Layer]]:
    """(path, layer) of all layers that run one after the other."""
    if type(net) is Sequential:
        for name, child in net.children.items():
            yield from flat(child, join(path, name))
    else:
        yield path, FrozenDense(net) if replaces(net, Dense) else net


def one_by_one(task: Callable[[slice], Array], N: int, size: int) -> list[Array]:
    """As ``over_chunks``, one chunk after the other."""
    return [task(chunk) for chunk in chunks(N, size)]


class Planned(Layer):
    """Layers, one after the other, executed as a plan."""

    def __init__(self, layers: dict[str, Layer]) -> None:
        super().__init__()
        self.plan = functools.lru_cache(8)(functools.partial(Plan, layers))  # of (shape, dtype, parallel)

    def predict(self, x: Array) -> Array:
        return self.plan(x.shape, x.dtype, not inside_a_task()).run(x)


class Chunked(Layer):
    """Takes a few images at a time through all layers, each such chunk on one thread. Where there are fewer chunks of
    large images than threads, the threads share out each layer instead."""

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
        small = fitting >= PARTS
        # Each chunk reads all filters: so at least four large images, while many small ones gain nothing.
        size = min(fitting, MOST, -(-N // PARTS)) if small else max(fitting, min(N, PARTS))
        count = -(-N // size)
        every = over_chunks if small or count >= threads() else one_by_one  # which sharing does not change the values
        with pinned_cores(), blas_on_one_thread():
            return np.concatenate(every(lambda s: self.through(x[s]), N, -(-N // count)))
