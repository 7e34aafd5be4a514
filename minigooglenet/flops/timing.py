"""How long each layer takes, beside how much there is to compute."""

import statistics
import time

import numpy as np

from ..models.catalogue import network


def time_layers(model, input_shape, *, heads=False, repetitions=5, seed=0):
    """{name: milliseconds} of every leaf: the median of some forward passes of one random picture, on random weights.

    Each leaf gets a random input of its own, so that a layer which explodes cannot spoil its successors.
    """
    rng = np.random.default_rng(seed)
    milliseconds = {}
    for path, layer, entering, _ in network(model, input_shape=input_shape, heads=heads).trace(input_shape):
        for weights in layer.parameters().values():  # zeros would all be read from one page of memory
            rng.random(dtype=weights.dtype, out=weights)
        x = rng.standard_normal((1, *entering), dtype=np.float32)
        layer.predict(x)  # compiles, and fetches what it needs into the caches
        milliseconds[path] = statistics.median(_once(layer, x) for _ in range(repetitions))
    return milliseconds


def by_module(milliseconds):
    """The same, summed over the first part of the names, as ``Count.modules`` has them."""
    sums = {}
    for path, ms in milliseconds.items():
        module = path.split("/")[0]
        for ending in ("_relu", "_bn"):
            before = module.removesuffix(ending)
            module = before if before in sums else module
        sums[module] = sums.get(module, 0) + ms
    return sums


def _once(layer, x):
    began = time.perf_counter()
    layer.predict(x)
    return 1000 * (time.perf_counter() - began)
