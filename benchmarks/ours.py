"""Our two sides: the compiled network, and the layers as written."""

import os
from typing import Any

import numpy as np

from minigooglenet import __version__, engine
from minigooglenet.kernels.threads import blas_on_one_thread, pinned_cores, set_threads, threads
from minigooglenet.layers import Array
from minigooglenet.models.googlenet import LOSS_WEIGHTS
from minigooglenet.training.losses import weighted_loss
from minigooglenet.training.sgd import SGD

from .side import CHECKED, Side
from .work import DECAY, INFER, LAYER, LR, MOMENTUM, NESTEROV, TRAIN, Work, dropouts


class Ours(Side):
    """What ``python -m minigooglenet train`` and ``evaluate`` run."""

    engine_kind = "fast"

    def __init__(self, work: Work, threads: int) -> None:
        os.environ["MINIGOOGLENET_ENGINE"] = self.engine_kind  # read by compile and predictor
        set_threads(threads)
        self.work, self.net = work, work.network()
        self.x = work.images()
        if work.kind == INFER:
            self.compiled = engine.predictor(self.net)
            return
        self.compiled = engine.compile(self.net, input_gradient=work.kind == LAYER)
        if work.kind == LAYER:
            self.dy = work.gradient()
        else:
            self.y = work.labels()
            self.sgd = SGD(self.net.parameters(), MOMENTUM, DECAY, NESTEROV)

    def step(self) -> Any:
        if self.work.kind == TRAIN:
            return self.update(self.x, self.y)
        if self.work.kind == INFER:
            return self.compiled.predict(self.x)
        y, cache = self.compiled.forward(self.x, train=True)
        self.net.zero_grads()
        return y, self.compiled.backward(self.dy, cache)

    @pinned_cores()
    @blas_on_one_thread()
    def update(self, x: Array, y: Array) -> list[Array]:
        """One training step, as in ``training/trainer.py``. Returns the logits."""
        logits, cache = self.compiled.forward(x, train=True)
        _, _, dy = weighted_loss(logits, y, LOSS_WEIGHTS, self.work.smoothing)
        self.net.zero_grads()
        self.compiled.backward(dy, cache)
        self.sgd.step(self.net.gradients(), LR)
        return logits

    def check(self) -> dict[str, Array]:
        if self.work.kind == INFER:
            return {"logits": self.step().copy()}
        if self.work.kind == LAYER:
            y, dx = self.step()
            return {"y": y, "dx": dx} | {path: g.copy() for path, g in self.net.gradients().items()}
        kept = [(layer, layer.drop_prob) for layer in dropouts(self.net)]
        for layer, _ in kept:
            layer.drop_prob = 0
        before = {path: w.copy() for path, w in self.net.parameters().items()}
        logits = self.update(self.x[:CHECKED], self.y[:CHECKED])
        for layer, drop_prob in kept:
            layer.drop_prob = drop_prob
        after = self.net.parameters()
        return ({f"logits {k}": z for k, z in enumerate(logits)}
                | {path: after[path] - w for path, w in before.items()})

    def facts(self) -> dict[str, Any]:
        return {"version": f"minigooglenet {__version__}, NumPy {np.__version__}", "threads": threads()}


class Plain(Ours):
    """The layers as written (MINIGOOGLENET_ENGINE=plain)."""

    engine_kind = "plain"
