"""What most tests need, compiled ahead: ``conftest.py`` starts this as a process of its own."""

import numpy as np

from minigooglenet import engine
from minigooglenet.kernels.ahead import compile_for
from minigooglenet.models.mini import mini_googlenet
from minigooglenet.training.sgd import SGD


def steps():
    """Steps of a reduced GoogLeNet, with either norm, in float32 and float64, compiled and as written; predictions."""
    rng = np.random.default_rng(0)
    for dtype in ("float32", "float64"):
        for norm in ("batch", "lrn"):
            net, x = mini_googlenet(1 / 16, norm=norm, rng=rng, dtype=dtype), np.zeros((2, 32, 32, 3), dtype)
            for form in (net, engine.compile(net)):
                logits, cache = form.forward(x, train=True)
                form.backward(logits, cache)
            SGD(net.parameters(), 0.9, 5e-4, nesterov=True).step(net.gradients(), 0.0)
            engine.predictor(net).predict(x)


if __name__ == "__main__":
    compile_for(steps, "tests", quiet=True)
