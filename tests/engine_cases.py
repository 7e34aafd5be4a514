"""What tests of the engine share: the same pass through the compiled network and through the network as written."""

import numpy as np
from small import distance

from minigooglenet import engine


def shaken(net, rng, dtype):
    """The network in ``dtype``, nothing in it at a special value: biases, scales and statistics random, no dropout."""
    net.astype(dtype)
    for _, layer in net.walk():
        for name, array in (layer.params | layer.buffers).items():
            if array.ndim == 1:
                array += (0.1 * rng.standard_normal(array.shape) + (0.2 if name == "variance" else 0)).astype(dtype)
        if hasattr(layer, "drop_prob"):
            layer.drop_prob = 0
    return net


def as_list(outputs):
    return outputs if isinstance(outputs, list) else [outputs]


def run(layer, net, x, dys, train):
    """(outputs, dx, gradients, running statistics) of one forward and backward; the statistics are restored."""
    before = {path: array.copy() for path, array in net.state().items()}
    net.zero_grads()
    y, cache = layer.forward(x, train)
    dx = layer.backward(dys if isinstance(y, list) else dys[0], cache)
    after = {path: array.copy() for path, array in net.state().items()}
    for path, array in net.state().items():
        array[...] = before[path]
    return as_list(y), dx, {path: array.copy() for path, array in net.gradients().items()}, after


def compare(net, shape, batch, dtype=np.float64, train=True, tolerance=1e-9):
    rng = np.random.default_rng(5)
    shaken(net, rng, dtype)
    x = rng.standard_normal((batch, *shape)).astype(dtype)
    x.flags.writeable = False
    dys = [rng.standard_normal(y.shape).astype(dtype) for y in as_list(net.forward(x, train)[0])]
    for dy in dys:
        dy.flags.writeable = False
    plain, compiled = (run(layer, net, x, dys, train) for layer in (net, engine.compile(net)))
    for a, b in zip(compiled[0], plain[0], strict=True):
        assert a.dtype == dtype and distance(a, b) < tolerance
    assert compiled[1].dtype == dtype and distance(compiled[1], plain[1]) < tolerance
    for which in (2, 3):
        for path in plain[which]:
            assert distance(compiled[which][path], plain[which][path]) < tolerance, path
    frozen = engine.predictor(net).predict(x)
    assert frozen.dtype == dtype and distance(frozen, net.predict(x)) < tolerance
