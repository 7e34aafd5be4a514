"""The layers of the library, each asking for the learner's answer first; without one it does what the library does."""

from typing import Any

import numpy as np

from minigooglenet.layers import BatchNorm, Concat, Conv, Dense, Dropout, GlobalAvgPool, MaxPool, ReLU
from minigooglenet.layers.base import Array, Layer, Shape

from .mine_answers import Answers


class OwnConv(Conv):
    """``convolve``, ``conv_backward``, ``output_size``; ``one_by_one`` where the window is one pixel."""

    answers: Answers

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Array]:
        self.check(x)
        w, b = self.params["w"], self.params.get("b", np.zeros(self.F, x.dtype))
        (K, _), (S, _), (P, _) = self.kernel, self.stride, self.pad
        shape, y = (len(x), *self.output_shape(x.shape[1:])), None
        if K == 1 and P == 0:
            y = self.answers.ask("one_by_one", (x, w[0, 0], b, S), shape)
        if y is None:
            y = self.answers.ask("convolve", (x, w, b, S, P), shape)
        return super().forward(x, train) if y is None else (y, x)

    def backward(self, dy: Array, x: Any) -> Array:
        found = self.answers.ask("conv_backward", (dy, x, self.params["w"], self.stride[0], self.pad[0]), x.shape,
                                 self.params["w"].shape)
        if found is None:
            return super().backward(dy, x)
        dx, dw = found
        self.grads["w"] += dw
        if "b" in self.params:
            self.grads["b"] += dy.sum(axis=(0, 1, 2))
        return dx

    def output_shape(self, shape: Shape) -> Shape:
        H, W, F = super().output_shape(shape)
        window = self.kernel[0], self.stride[0], self.pad[0]
        return (self.answers.size("output_size", (shape[0], *window), H),
                self.answers.size("output_size", (shape[1], *window), W), F)


class OwnDense(Dense):
    """``one_by_one``, because a vector is an image of one pixel; ``dense_relu_backward``."""

    answers: Answers

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Array]:
        self.check(x)
        y = self.answers.ask("one_by_one", (x[:, None, None], self.params["w"], self.params["b"], 1),
                             (len(x), 1, 1, self.F))
        return super().forward(x, train) if y is None else (y[:, 0, 0], x)

    def backward(self, dy: Array, x: Any) -> Array:
        w = self.params["w"]
        always_on = np.full(self.F, 1e9, x.dtype)  # this layer has no ReLU: with such a bias it lets everything through
        found = self.answers.ask("dense_relu_backward", (dy, x, w, always_on), x.shape, w.shape, (self.F,))
        if found is None:
            return super().backward(dy, x)
        dx, dw, db = found
        self.grads["w"] += dw
        self.grads["b"] += db
        return dx


class OwnReLU(ReLU):
    """``dense_relu_backward`` with the identity as weights: then the dense layer does nothing, and its ReLU is left."""

    answers: Answers

    def backward(self, dy: Array, y: Any) -> Array:
        C = y.shape[-1]
        found = self.answers.ask("dense_relu_backward", (dy.reshape(-1, C), y.reshape(-1, C), np.eye(C, dtype=y.dtype),
                                                         np.zeros(C, y.dtype)), (y.size // C, C), (C, C), (C,))
        return super().backward(dy, y) if found is None else found[0].reshape(y.shape)


class OwnMaxPool(MaxPool):
    """``pooled_size``, ``max_pool``, ``max_pool_backward``."""

    answers: Answers

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        self.check(x)
        OH, OW, C = self.output_shape(x.shape[1:])
        y = self.answers.ask("max_pool", (x, self.kernel[0], self.stride[0], self.pad[0], OH, OW), (len(x), OH, OW, C))
        return super().forward(x, train) if y is None else (y, (x, y))

    def backward(self, dy: Array, cache: Any) -> Array:
        x = cache[0]
        dx = self.answers.ask("max_pool_backward", (dy, x, self.kernel[0], self.stride[0], self.pad[0]), x.shape)
        return super().backward(dy, cache) if dx is None else dx

    def output_shape(self, shape: Shape) -> Shape:
        H, W, C = super().output_shape(shape)
        window = self.kernel[0], self.stride[0], self.pad[0], self.ceil_mode
        return (self.answers.size("pooled_size", (shape[0], *window), H),
                self.answers.size("pooled_size", (shape[1], *window), W), C)


class OwnGlobalAvgPool(GlobalAvgPool):
    """``gap_backward``."""

    answers: Answers

    def backward(self, dy: Array, shape: Any) -> Array:
        dx = self.answers.ask("gap_backward", (dy, shape), shape)
        return super().backward(dy, shape) if dx is None else dx


class OwnDropout(Dropout):
    """``dropout``, once for y and once for dx. The library draws which elements are kept."""

    answers: Answers

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Array | None]:
        y, mask = super().forward(x, train)
        if mask is None:
            return y, None
        found = self.answers.ask("dropout", (x, x, mask > 0, self.drop_prob), x.shape, x.shape)
        return (y if found is None else found[0]), mask

    def backward(self, dy: Array, mask: Any) -> Array:
        if mask is None:
            return dy
        found = self.answers.ask("dropout", (dy, dy, mask > 0, self.drop_prob), dy.shape, dy.shape)
        return super().backward(dy, mask) if found is None else found[1]


class OwnBatchNorm(BatchNorm):
    """``batch_norm``, ``batch_norm_backward``, ``update_running``; at inference, the library's code."""

    answers: Answers

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        if not train:
            return super().forward(x, train)
        self.check(x)
        before = self.buffers["mean"].copy(), self.buffers["variance"].copy()
        y, cache = super().forward(x, train)  # its statistics, for a library's backward
        own = self.answers.ask("batch_norm", (x, self.params["gamma"], self.params["beta"], self.eps), x.shape)
        moved = self.answers.ask("update_running", (*before, x, self.momentum), (self.C,), (self.C,))
        if moved is not None:
            self.buffers["mean"][...], self.buffers["variance"][...] = moved
        return (y if own is None else own), cache

    def backward(self, dy: Array, cache: Any) -> Array:
        x, _, _, train = cache
        found = self.answers.ask("batch_norm_backward", (dy, x, self.params["gamma"], self.eps), x.shape, (self.C,),
                                 (self.C,)) if train else None
        if found is None:
            return super().backward(dy, cache)
        dx, dgamma, dbeta = found
        self.grads["gamma"] += dgamma
        self.grads["beta"] += dbeta
        return dx


class OwnConcat(Concat):
    """``inception`` and ``inception_backward`` on the layers' own forward and backward; ``concat_backward``."""

    answers: Answers

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        shape = (len(x), *self.output_shape(x.shape[1:]))
        found = self.answers.ask("inception", (x, self.steps(train)), shape, None)
        if found is not None and not self._belong(found[1]):
            self.answers.lose("inception", "returned caches that do not belong to the steps of the branches")
            found = None
        if found is None:
            y, (caches, widths) = super().forward(x, train)
            return y, (caches, widths, x.shape)
        return found[0], (found[1], [branch.output_shape(x.shape[1:])[-1] for branch in self.branches], x.shape)

    def predict(self, x: Array) -> Array:
        return self.forward(x)[0]

    def _belong(self, caches: Any) -> bool:
        return (isinstance(caches, (list, tuple)) and len(caches) == len(self.branches)
                and all(isinstance(cache, (list, tuple)) and len(cache) == len(branch.children)
                        for cache, branch in zip(caches, self.branches, strict=True)))

    def backward(self, dy: Array, cache: Any) -> Array:
        caches, widths, shape = cache
        parts = self.answers.ask("concat_backward", (dy, tuple(widths)), *((*dy.shape[:-1], F) for F in widths))
        if parts is None:
            parts = np.split(dy, np.cumsum(widths)[:-1], axis=-1)
        parts = tuple(np.ascontiguousarray(part) for part in parts)
        copies = [list(kept) for kept in caches]  # an answer may take its caches away one by one
        dx = self.answers.ask("inception_backward", (parts, self.steps(True), copies), shape)
        if dx is None:
            dx = sum(branch.backward(part, kept) for branch, part, kept in
                     zip(self.branches, parts, caches, strict=True))
        return dx

    def steps(self, train: bool) -> list[list[tuple[Any, Any]]]:
        """The branches as the exercises have them: lists of (forward, backward)."""
        return [[(lambda x, layer=layer: layer.forward(x, train), layer.backward) for layer in branch.children.values()]
                for branch in self.branches]


OWN: dict[type[Layer], type[Layer]] = {
    Conv: OwnConv, Dense: OwnDense, ReLU: OwnReLU, MaxPool: OwnMaxPool, GlobalAvgPool: OwnGlobalAvgPool,
    Dropout: OwnDropout, BatchNorm: OwnBatchNorm, Concat: OwnConcat,
}
