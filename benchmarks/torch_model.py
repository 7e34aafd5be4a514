"""The same network in PyTorch, built by a walk over our structure, with our weights."""

import os

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from minigooglenet.compose import Concat, Sequential, Trunk
from minigooglenet.layers import LRN, AvgPool, BatchNorm, Conv, Dense, Dropout, Flatten, GlobalAvgPool, MaxPool, ReLU
from minigooglenet.models.googlenet import LOSS_WEIGHTS
from minigooglenet.weights.layout import filters, filters_back, maps, maps_back, rows, rows_back, stations

from .side import CHECKED, Side
from .work import DECAY, INFER, LAYER, LR, MOMENTUM, NESTEROV, TRAIN


class SideBySide(nn.ModuleList):
    def forward(self, x):
        return torch.cat([branch(x) for branch in self], dim=1)


class WithHeads(nn.Module):
    """In training a list: the network's own logits, then those of the heads."""

    def __init__(self, trunk, heads):
        super().__init__()
        self.trunk, self.taps = trunk, {tap: name for name, (tap, _) in heads.items()}
        self.heads = nn.ModuleDict({name: head for name, (_, head) in heads.items()})

    def forward(self, x):
        if not self.training:
            return self.trunk(x)
        outputs = {}
        for name, module in self.trunk.named_children():
            x = module(x)
            if name in self.taps:
                outputs[self.taps[name]] = self.heads[self.taps[name]](x)
        return [x, *(outputs[name] for name in self.heads)]


class Twins:
    """``build(net, shape)`` gives the module; afterwards ``pairs`` holds {our path: (parameter, function to our
    layout)}."""

    def __init__(self):
        self.pairs = {}

    def build(self, layer, shape, path="", flattened=None):
        match layer:
            case Trunk():
                trunk = self.build(layer.trunk, shape)
                return WithHeads(trunk, {
                    name: (tap, self.build(head, layer.trunk.until(tap).output_shape(shape), name))
                    for name, (tap, head) in layer.heads.items()})
            case Sequential():
                modules = nn.Sequential()
                for name, child, entering, flat in stations(layer, shape):
                    modules.add_module(name, self.build(child, entering, f"{path}/{name}".lstrip("/"), flat))
                return modules
            case Concat():
                return SideBySide([self.build(branch, shape, path) for branch in layer.branches])
            case Conv():
                module = nn.Conv2d(layer.C, layer.F, layer.kernel, layer.stride, layer.pad, bias="b" in layer.params)
                return self.fill(module, layer, path, {"w": ("weight", filters, filters_back)})
            case Dense():
                module = nn.Linear(layer.D, layer.F)
                return self.fill(module, layer, path, {"w": (
                    "weight", lambda w: rows(w, flattened), lambda w: rows_back(w, flattened))})
            case BatchNorm():
                module = nn.BatchNorm2d(layer.C, layer.eps, layer.momentum)
                with torch.no_grad():
                    module.running_mean.copy_(torch.tensor(layer.buffers["mean"]))
                    module.running_var.copy_(torch.tensor(layer.buffers["variance"]))
                return self.fill(module, layer, path, {})
            case ReLU():
                return nn.ReLU(inplace=True)
            case MaxPool():
                return nn.MaxPool2d(layer.kernel, layer.stride, layer.pad, ceil_mode=layer.ceil_mode)
            case AvgPool():
                return nn.AvgPool2d(layer.kernel, layer.stride, layer.pad, ceil_mode=layer.ceil_mode)
            case GlobalAvgPool():
                return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
            case LRN():
                return nn.LocalResponseNorm(*layer.constants)
            case Dropout():
                return nn.Dropout(layer.drop_prob)
            case Flatten():
                return nn.Flatten()
        raise TypeError(f"{path}: no twin for {layer.describe()}")

    def fill(self, module, layer, path, special):
        """Copy a layer's parameters into a module, and remember which is which."""
        for name, value in layer.params.items():
            usual = {"b": "bias", "gamma": "weight", "beta": "bias"}.get(name), np.asarray, np.asarray
            theirs, to, back = special.get(name, usual)
            parameter = getattr(module, theirs)
            with torch.no_grad():
                parameter.copy_(torch.tensor(to(value)))
            self.pairs[f"{path}/{name}"] = parameter, back
        return module


class NCHW(Side):
    """PyTorch as it comes."""

    memory_format = torch.contiguous_format

    def __init__(self, work, threads):
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        self.work, twins, net = work, Twins(), work.network()
        self.model = twins.build(net, work.input_shape).to(getattr(torch, work.dtype))
        self.model.to(memory_format=self.memory_format)
        self.pairs = twins.pairs
        self.x = self.tensor(work.pictures())
        self.model.train(work.kind != INFER)
        if work.kind == LAYER:
            self.dy = self.tensor(work.gradient())
            self.x.requires_grad_()
        if work.kind == TRAIN:
            self.y = torch.tensor(work.labels())
            parameters = list(self.model.parameters())
            self.optimiser = torch.optim.SGD(
                [{"params": [p for p in parameters if p.ndim > 1], "weight_decay": DECAY},
                 {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0}],
                lr=LR, momentum=MOMENTUM, nesterov=NESTEROV)

    def tensor(self, a):
        return torch.tensor(maps(a)).contiguous(memory_format=self.memory_format)

    def step(self):
        if self.work.kind == TRAIN:
            return self.update(self.x, self.y)
        if self.work.kind == INFER:
            with torch.inference_mode():
                return self.model(self.x)
        self.model.zero_grad()
        self.x.grad = None
        y = self.model(self.x)
        y.backward(self.dy)
        return y

    def update(self, x, y):
        self.optimiser.zero_grad()
        logits = self.model(x)
        loss = sum(weight * F.cross_entropy(z, y, label_smoothing=self.work.smoothing)
                   for weight, z in zip(LOSS_WEIGHTS, logits, strict=True))
        loss.backward()
        self.optimiser.step()
        return logits

    def check(self):
        if self.work.kind == INFER:
            return {"logits": maps_back(self.step().numpy())}
        if self.work.kind == LAYER:
            y = self.step()
            return {"y": maps_back(y.detach().numpy()), "dx": maps_back(self.x.grad.numpy())} | {
                path: back(p.grad.numpy()) for path, (p, back) in self.pairs.items()}
        kept = [(module, module.p) for module in self.model.modules() if isinstance(module, nn.Dropout)]
        for module, _ in kept:
            module.p = 0.0
        before = {path: p.detach().clone() for path, (p, _) in self.pairs.items()}
        logits = self.update(self.x[:CHECKED], self.y[:CHECKED])
        for module, p in kept:
            module.p = p
        return ({f"logits {k}": z.detach().numpy() for k, z in enumerate(logits)}
                | {path: back((p.detach() - before[path]).numpy()) for path, (p, back) in self.pairs.items()})

    def facts(self):
        return {"version": f"PyTorch {torch.__version__}", "threads": torch.get_num_threads(),
                "cpu": torch.backends.cpu.get_cpu_capability() + (
                    ", oneDNN" if torch.backends.mkldnn.is_available() else "") + (
                    ", OMP_NUM_THREADS=" + os.environ.get("OMP_NUM_THREADS", "-"))}


class ChannelsLast(NCHW):
    """The same with activations in memory as ours are; the faster layout for convolutions."""

    memory_format = torch.channels_last
