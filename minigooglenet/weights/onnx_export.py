"""Export of a network as an ONNX model.

    input   "images"         float32 (N, C, H, W), any N; preprocessed as the metadata define
    output  "logits"         float32 (N, classes)
            "probabilities"  their softmax, optional

Nodes and weights have the paths of the layers: in a block ``4a/5x5`` the nodes are ``4a/5x5`` (the convolution),
``4a/5x5/bn`` and ``4a/5x5/relu``, and the weights of the convolution are ``4a/5x5/w``. ONNX uses NCHW, so weights are
transposed here, once. Auxiliary heads and dropout are omitted: only training uses them. Batch norm remains a node.

Source: the operators of the ONNX standard, https://onnx.ai/onnx/operators.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError, need
from ..files import write_atomically
from ..layers import (
    LRN,
    AvgPool,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool,
    GroupedConv,
    MaxPool,
    ReLU,
    Softmax,
)
from ..layers.base import Array, Layer, Shape, join
from ..layers.containers import Concat, Sequential, Trunk
from .layout import dense_to_oi, filters_to_oihw, maps_to_nchw, trace_children

OPSET = 22           # the last one that changed an operator used here; released in 2024, with ONNX 1.17
OLDEST_OPSET = 9     # released in 2018, with ONNX 1.4
CEIL_MODE_OPSET = 10     # the first one with ceil_mode; that of AveragePool is wrong in ONNX Runtime 1.17
PADS_INPUT_OPSET = 11    # the first one whose Pad has an input instead of an attribute
LARGEST = 2**31 - 1  # bytes: the maximum size of a protobuf message
TOLERANCE = 1e-4     # largest allowed difference from ONNX Runtime, relative to the largest logit


class Graph:
    """The nodes and weights of an ONNX graph under construction."""

    def __init__(self, opset: int = OPSET) -> None:
        self.onnx: Any = need("onnx", "ONNX export")
        self.opset = opset
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def node(self, kind: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """Append an operator whose output is named like the node. Returns the name."""
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def weight(self, name: str, array: Array) -> str:
        """Append an initializer, numbers that are not whole in float32. Returns its name."""
        array = np.ascontiguousarray(array, np.float32 if array.dtype.kind == "f" else None)
        self.weights.append(self.onnx.numpy_helper.from_array(array, name))
        return name

    def add(self, layer: Layer, x: str, shape: Shape, path: str = "", flattened: Shape | None = None) -> str:
        """Append ``layer``, which reads the tensor named ``x``, of ``shape`` (H, W, C) per image.

        ``flattened`` is the (H, W, C) of maps that were flattened directly before the layer. Returns the name of the
        output. Raises TypeError for a layer without an ONNX operator.
        """
        match layer:
            case Sequential():
                for name, child, entering, flat in trace_children(layer, shape, flattened):
                    x = self.add(child, x, entering, join(path, name), flat)
                return x
            case Concat():
                ends = [self.add(branch, x, shape, path) for branch in layer.branches]
                return self.node("Concat", ends, path, axis=1)
            case Conv():
                return self.convolution([layer], x, path)
            case GroupedConv():
                return self.convolution(layer.convs, x, path)
            case Dense():
                w = self.weight(f"{path}/w", dense_to_oi(layer.params["w"], flattened))
                return self.node("Gemm", [x, w, self.weight(f"{path}/b", layer.params["b"])], path, transB=1)
            case BatchNorm():
                values = layer.params | layer.buffers
                names = [self.weight(f"{path}/{name}", values[name]) for name in ("gamma", "beta", "mean", "variance")]
                return self.node("BatchNormalization", [x, *names], path, epsilon=layer.eps)
            case ReLU():
                return self.node("Relu", [x], path)
            case MaxPool() | AvgPool():
                return self.pool(layer, x, path, shape)
            case GlobalAvgPool():
                return self.node("Flatten", [self.node("GlobalAveragePool", [x], f"{path}/mean")], path)
            case LRN():
                size, alpha, beta, k = layer.constants
                return self.node("LRN", [x], path, size=size, alpha=alpha, beta=beta, bias=k)
            case Flatten():
                return self.node("Flatten", [x], path)
            case Softmax():
                return self.node("Softmax", [x], path, axis=1)
            case Dropout():
                return x
        raise TypeError(f"{path}: no ONNX operator for {layer.describe()}")

    def convolution(self, groups: Sequence[Conv], x: str, path: str) -> str:
        """Append one Conv for all groups of a convolution: one, or the two of AlexNet."""
        first = groups[0]
        inputs = [x, self.weight(f"{path}/w", np.concatenate([filters_to_oihw(conv.params["w"]) for conv in groups]))]
        if "b" in first.params:
            inputs.append(self.weight(f"{path}/b", np.concatenate([conv.params["b"] for conv in groups])))
        return self.node("Conv", inputs, path, kernel_shape=first.kernel, strides=first.stride, pads=first.pad * 2,
                         group=len(groups))

    def pool(self, layer: MaxPool | AvgPool, x: str, path: str, shape: Shape) -> str:
        """Append a pool that reads ``shape`` (H, W, C)."""
        window: dict[str, Any] = {"kernel_shape": layer.kernel, "strides": layer.stride}
        beyond = [(O - 1) * S + K - size - 2 * P for size, O, K, S, P in zip(
            shape, layer.output_shape(shape), layer.kernel, layer.stride, layer.pad, strict=False)]
        dropped = layer.ceil_mode and min(beyond) < 0  # a last window; until opset 21 onnx counts it
        if isinstance(layer, MaxPool) and self.opset >= CEIL_MODE_OPSET and not dropped:
            return self.node("MaxPool", [x], path, **window, pads=layer.pad * 2, ceil_mode=int(layer.ceil_mode))
        # else the windows that extend beyond the image are completed with padding at the end, which does not count
        beyond = [max(0, size) for size in beyond]
        P, counted = layer.pad, any(layer.pad) and isinstance(layer, AvgPool)
        if counted and any(beyond):  # the layer's own padding counts: it becomes part of the image
            x, P, counted = self.padded(x, P, path), (0, 0), False
        window["pads"] = *P, P[0] + beyond[0], P[1] + beyond[1]
        if isinstance(layer, MaxPool):
            return self.node("MaxPool", [x], path, **window)
        return self.node("AveragePool", [x], path, **window, count_include_pad=int(counted))

    def padded(self, x: str, pad: tuple[int, int], path: str) -> str:
        """Append zeros around the maps."""
        pads = (0, 0, *pad) * 2
        if self.opset < PADS_INPUT_OPSET:
            return self.node("Pad", [x], f"{path}/pad", pads=pads)
        return self.node("Pad", [x, self.weight(f"{path}/pads", np.array(pads, np.int64))], f"{path}/pad")


def check_opset(opset: int) -> None:
    """Raise UserError unless this version of the operators can be exported."""
    onnx = need("onnx", "ONNX export")
    newest = onnx.defs.onnx_opset_version()
    if not OLDEST_OPSET <= opset <= newest:
        raise UserError(f"opset: got {opset}, needs {OLDEST_OPSET} to {newest}, the newest in onnx {onnx.__version__}")


def export_model(net: Layer, input_shape: Shape, *, batch: int | str = "N", softmax: bool = False,
                 metadata: Mapping[str, Any] | None = None, opset: int = OPSET, ir_version: int | None = None) -> Any:
    """``net`` as an onnx.ModelProto, validated by onnx's checker, for images of ``input_shape`` (H, W, C).

    batch: a size, or a name for a dynamic size. softmax: add the output "probabilities". metadata: {key: value}, stored
    as text; values that are not text are stored as JSON. opset: the version of the operators, 9 or later; older engines
    need an older one. ir_version: that of the file format, by default the oldest for this opset.

    Raises UserError if the package onnx is missing or does not know the opset, or if the network is too large for one
    file.
    """
    check_opset(opset)
    graph = Graph(opset)
    onnx, helper = graph.onnx, graph.onnx.helper
    opsets = [helper.make_opsetid("", opset)]
    net = net.trunk if isinstance(net, Trunk) else net  # only training uses the heads
    if sum(4 * w.size for w in (net.parameters() | net.state()).values()) > LARGEST:
        raise UserError(f"ONNX export: the weights take more than {LARGEST:,} bytes, the maximum for one file")
    H, W, C = input_shape
    graph.add(net, "images", input_shape)
    graph.nodes[-1].output[0] = "logits"
    if softmax:
        graph.node("Softmax", ["logits"], "probabilities", axis=1)  # until opset 12 an axis from the end is not allowed
    out = net.output_shape(input_shape)
    maps_out = (batch, out[-1], *out[:-1])
    real = onnx.TensorProto.FLOAT
    model = helper.make_model(
        helper.make_graph(graph.nodes, "minigooglenet",
                          [helper.make_tensor_value_info("images", real, (batch, C, H, W))],
                          [helper.make_tensor_value_info(name, real, maps_out)
                           for name in ["logits"] + ["probabilities"] * softmax], graph.weights),
        opset_imports=opsets, ir_version=ir_version or helper.find_min_ir_version_for(opsets),
        producer_name="minigooglenet")
    helper.set_model_props(model, {key: value if isinstance(value, str) else json.dumps(value)
                                   for key, value in (metadata or {}).items()})
    onnx.checker.check_model(model, full_check=True)
    return model


def save(path: Path | str, model: Any) -> None:
    """Write a ModelProto, atomically."""
    contents = model.SerializeToString()
    write_atomically(path, lambda file: file.write(contents))


def runtime(model: Any, threads: int = 0) -> Any:
    """An onnxruntime.InferenceSession on the CPU. Raises UserError if the package onnxruntime is missing or too old."""
    engine: Any = need("onnxruntime", "checking the ONNX model")
    options = engine.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
    try:
        return engine.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # each of its errors is a direct subclass of Exception
        raise UserError(f"ONNX Runtime {engine.__version__} does not load the model with opset "
                        f"{model.opset_import[0].version}") from error


def difference(model: Any, net: Layer, x: Array) -> float:
    """The largest difference between ONNX Runtime's logits and ours for images x (N, H, W, C), relative to the largest
    logit."""
    theirs = runtime(model).run(["logits"], {"images": maps_to_nchw(x).astype(np.float32)})[0]
    ours = maps_to_nchw(net.predict(x))
    return float(np.abs(theirs - ours).max() / max(np.abs(ours).max(), np.finfo(np.float32).tiny))
