"""Our own two sides: the network as it is written, and its rewrite for speed."""

import os

import numpy as np

from minigooglenet import __version__, fast
from minigooglenet.models.googlenet import LOSS_WEIGHTS
from minigooglenet.threads import cores_apart, set_threads, threads
from minigooglenet.training.losses import weighted_loss
from minigooglenet.training.sgd import SGD

from .side import CHECKED, Side
from .work import DECAY, INFER, LAYER, LR, MOMENTUM, NESTEROV, TRAIN, dropouts


class Ours(Side):
    """As ``python -m minigooglenet train`` and ``evaluate`` run it."""

    rewritten = "1"

    def __init__(self, work, threads):
        os.environ["MINIGOOGLENET_FAST"] = self.rewritten  # read when a network is rewritten
        set_threads(threads)
        self.work, self.net = work, work.network()
        self.x = work.pictures()
        if work.kind == INFER:
            self.engine = fast.predictor(self.net)
            return
        self.engine = fast.speed_up(self.net, input_gradient=work.kind == LAYER)
        if work.kind == LAYER:
            self.dy = work.gradient()
        else:
            self.y = work.labels()
            self.sgd = SGD(self.net.parameters(), MOMENTUM, DECAY, NESTEROV)

    def step(self):
        if self.work.kind == TRAIN:
            return self.update(self.x, self.y)
        if self.work.kind == INFER:
            return self.engine.predict(self.x)
        y, cache = self.engine.forward(self.x, train=True)
        self.net.zero_grads()
        return y, self.engine.backward(self.dy, cache)

    @cores_apart()
    def update(self, x, y):
        """One training step, as in ``training/trainer.py``."""
        logits, cache = self.engine.forward(x, train=True)
        _, _, dy = weighted_loss(logits, y, LOSS_WEIGHTS, self.work.smoothing)
        self.net.zero_grads()
        self.engine.backward(dy, cache)
        self.sgd.step(self.net.gradients(), LR)
        return logits

    def check(self):
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

    def facts(self):
        return {"version": f"minigooglenet {__version__}, NumPy {np.__version__}", "threads": threads()}


class Plain(Ours):
    """The layers as a reader finds them (MINIGOOGLENET_FAST=0)."""

    rewritten = "0"
