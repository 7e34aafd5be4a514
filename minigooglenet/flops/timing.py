"""Measures the time of each layer."""

import statistics
import time
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..layers.base import Array, Layer, Shape
from ..models.catalog import network


def time_layers(model: str, input_shape: Shape, *, heads: bool = False, repetitions: int = 5,
                seed: int = 0, **options: Any) -> dict[str, float]:
    """{path: milliseconds} of every layer: the median over ``repetitions`` forward passes of one image.

    Weights are random. Each layer gets a random input of its own, so that large outputs of one layer do not affect the
    next.
    """
    rng = np.random.default_rng(seed)
    milliseconds = {}
    for path, layer, entering, _ in network(model, input_shape=input_shape, heads=heads, **options).trace(input_shape):
        for weights in layer.parameters().values():  # zeros would all be read from one page of memory
            rng.random(dtype=weights.dtype, out=weights)
        x = rng.standard_normal((1, *entering), dtype=np.float32)
        layer.predict(x)  # compiles the kernels and fills the caches
        milliseconds[path] = statistics.median(_once(layer, x) for _ in range(repetitions))
    return milliseconds


def summed(milliseconds: dict[str, float], names: Iterable[str]) -> dict[str, float]:
    """The same for blocks or modules: the sums over the layers whose paths are one of ``names`` or begin with it."""
    return {name: sum(ms for path, ms in milliseconds.items() if f"{path}/".startswith(f"{name}/")) for name in names}


def _once(layer: Layer, x: Array) -> float:
    began = time.perf_counter()
    layer.predict(x)
    return 1000 * (time.perf_counter() - began)
