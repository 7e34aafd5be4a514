"""The same network in PyTorch, built from our structure, with our weights."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from minigooglenet.layers import (
    LRN,
    Array,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Layer,
    MaxPool,
    ReLU,
    Sequential,
    Shape,
    Trunk,
)
from minigooglenet.layers.base import join
from minigooglenet.models.googlenet import LOSS_WEIGHTS
from minigooglenet.weights.layout import (
    dense_to_io,
    dense_to_oi,
    filters_to_hwio,
    filters_to_oihw,
    maps_to_nchw,
    maps_to_nhwc,
    trace_children,
)

from .side import CHECKED, Side
from .work import DECAY, INFER, LAYER, LR, MOMENTUM, NESTEROV, TRAIN, Work


class Branches(nn.ModuleList):
    """Branches that read the same input, concatenated along the channels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([branch(x) for branch in self], dim=1)


class WithHeads(nn.Module):
    """A network with auxiliary classifiers. In training its output is a list: its own logits, then theirs."""

    def __init__(self, trunk: nn.Module, heads: Mapping[str, tuple[str, nn.Module]]) -> None:
        super().__init__()
        self.trunk, self.taps = trunk, {tap: name for name, (tap, _) in heads.items()}
        self.heads = nn.ModuleDict({name: head for name, (_, head) in heads.items()})

    def forward(self, x: torch.Tensor) -> Any:
        if not self.training:
            return self.trunk(x)
        outputs = {}
        for name, module in self.trunk.named_children():
            x = module(x)
            if name in self.taps:
                outputs[self.taps[name]] = self.heads[self.taps[name]](x)
        return [x, *(outputs[name] for name in self.heads)]


class Builder:
    """``build(net, shape)`` returns the module; afterwards ``pairs`` holds {our path: (parameter, function to our
    layout)}."""

    def __init__(self) -> None:
        self.pairs: dict[str, tuple[Any, Any]] = {}

    def build(self, layer: Layer, shape: Shape, path: str = "", flattened: Shape | None = None) -> nn.Module:
        """The module for ``layer``, which reads ``shape``; ``flattened`` as in ``trace_children``."""
        module: Any
        match layer:
            case Trunk():
                trunk = self.build(layer.trunk, shape)
                return WithHeads(trunk, {
                    name: (tap, self.build(head, layer.trunk.until(tap).output_shape(shape), name))
                    for name, (tap, head) in layer.heads.items()})
            case Sequential():
                modules = nn.Sequential()
                for name, child, entering, flat in trace_children(layer, shape, flattened):
                    modules.add_module(name or "layer", self.build(child, entering, join(path, name), flat))
                return modules
            case Concat():
                return Branches([self.build(branch, shape, path) for branch in layer.branches])
            case Conv():
                module = nn.Conv2d(layer.C, layer.F, layer.kernel, layer.stride, layer.pad, bias="b" in layer.params)
                return self.fill(module, layer, path, {"w": ("weight", filters_to_oihw, filters_to_hwio)})
            case Dense():
                module = nn.Linear(layer.D, layer.F)
                return self.fill(module, layer, path, {"w": (
                    "weight", lambda w: dense_to_oi(w, flattened), lambda w: dense_to_io(w, flattened))})
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
        raise TypeError(f"{path}: no PyTorch module for {layer.describe()}")

    def fill(self, module: nn.Module, layer: Layer, path: str, special: Mapping[str, tuple]) -> nn.Module:
        """Copy a layer's parameters into a module, and record the pairs. ``special``: {our name: (their name, function
        to their layout, function to ours)}, where they are not the usual ones."""
        for name, value in layer.params.items():
            usual = {"b": "bias", "gamma": "weight", "beta": "bias"}.get(name), np.asarray, np.asarray
            theirs, to_theirs, to_ours = special.get(name, usual)
            parameter = getattr(module, theirs)
            with torch.no_grad():
                parameter.copy_(torch.tensor(to_theirs(value)))
            self.pairs[join(path, name)] = parameter, to_ours
        return module


class NCHW(Side):
    """PyTorch with its default memory format."""

    memory_format = torch.contiguous_format

    def __init__(self, work: Work, threads: int) -> None:
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        self.work, builder, net = work, Builder(), work.network()
        self.model: Any = builder.build(net, work.input_shape).to(getattr(torch, work.dtype))
        self.model.to(memory_format=self.memory_format)
        self.pairs = builder.pairs
        self.x: Any = self.tensor(work.images())
        self.model.train(work.kind != INFER)
        if work.kind == LAYER:
            self.dy = self.tensor(work.gradient())
            self.x.requires_grad_()
        if work.kind == TRAIN:
            self.y = torch.tensor(work.labels())
            parameters = list(self.model.parameters())
            self.optimizer = torch.optim.SGD(
                [{"params": [p for p in parameters if p.ndim > 1], "weight_decay": DECAY},
                 {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0}],
                lr=LR, momentum=MOMENTUM, nesterov=NESTEROV)

    def tensor(self, a: Array) -> torch.Tensor:
        """An array of ours in PyTorch's layout."""
        return torch.tensor(maps_to_nchw(a)).contiguous(memory_format=self.memory_format)

    def step(self) -> Any:
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

    def update(self, x: torch.Tensor, y: torch.Tensor) -> Any:
        """One training step. Returns the logits."""
        self.optimizer.zero_grad()
        logits = self.model(x)
        loss: Any = sum(weight * F.cross_entropy(z, y, label_smoothing=self.work.smoothing)
                        for weight, z in zip(LOSS_WEIGHTS, logits, strict=True))
        loss.backward()
        self.optimizer.step()
        return logits

    def check(self) -> dict[str, Array]:
        if self.work.kind == INFER:
            return {"logits": maps_to_nhwc(self.step().numpy())}
        if self.work.kind == LAYER:
            y = self.step()
            return {"y": maps_to_nhwc(y.detach().numpy()), "dx": maps_to_nhwc(self.x.grad.numpy())} | {
                path: to_ours(p.grad.numpy()) for path, (p, to_ours) in self.pairs.items()}
        kept = [(module, module.p) for module in self.model.modules() if isinstance(module, nn.Dropout)]
        for module, _ in kept:
            module.p = 0.0
        before = {path: p.detach().clone() for path, (p, _) in self.pairs.items()}
        logits = self.update(self.x[:CHECKED], self.y[:CHECKED])
        for module, p in kept:
            module.p = p
        return ({f"logits {k}": z.detach().numpy() for k, z in enumerate(logits)}
                | {path: to_ours((p.detach() - before[path]).numpy()) for path, (p, to_ours) in self.pairs.items()})

    def facts(self) -> dict[str, Any]:
        return {"version": f"PyTorch {torch.__version__}", "threads": torch.get_num_threads(),
                "cpu": torch.backends.cpu.get_cpu_capability() + (
                    ", oneDNN" if torch.backends.mkldnn.is_available() else "") + (
                    ", OMP_NUM_THREADS=" + os.environ.get("OMP_NUM_THREADS", "-"))}


class ChannelsLast(NCHW):
    """The same with activations in our memory layout, which is faster for convolutions."""

    memory_format = torch.channels_last


class Compiled(ChannelsLast):
    """``torch.compile`` with its defaults: inductor generates C++ for the forward and the backward pass, in minutes."""

    def __init__(self, work: Work, threads: int) -> None:
        super().__init__(work, threads)
        torch._dynamo.config.cache_size_limit = 64  # the check's batch is another size
        self.model = torch.compile(self.model)
