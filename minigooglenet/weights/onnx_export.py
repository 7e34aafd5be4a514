"""A network as an ONNX model, written by a walk over our structure.

    input   "pictures"       float32 (N, C, H, W), any N; prepared as the metadata says
    output  "logits"         float32 (N, classes)
            "probabilities"  their softmax, if asked for

Everything inside goes by our paths: the node that makes the output of ``4a/5x5`` is called ``4a/5x5``, and its weights
``4a/5x5/w``. ONNX keeps channels before rows: weights are transposed once, here. Auxiliary heads and dropout are for
training, and left out; batch norm stays a node of its own.

Source: the operators of the ONNX standard, https://onnx.ai/onnx/operators.
"""

import json

import numpy as np

from ..compose import Concat, Sequential, Trunk
from ..errors import UserError
from ..extras import need
from ..files import write_atomically
from ..layers import LRN, AvgPool, BatchNorm, Conv, Dense, Dropout, Flatten, GlobalAvgPool, GroupedConv, MaxPool, ReLU
from .layout import filters, maps, rows, stations

OPSET = 22       # the last one that changed an operator used here; it came in 2024, with ONNX 1.17
IR_VERSION = 10  # of the file around it
LARGEST = 2**31 - 1  # bytes: protobuf cannot write a longer message
TOLERANCE = 1e-4     # of the largest logit: so much may another engine differ


class Graph:
    """Nodes and weights, gathered layer by layer."""

    def __init__(self):
        self.onnx = need("onnx", "ONNX export")
        self.nodes, self.weights = [], []

    def node(self, kind, inputs, name, **attributes):
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def weight(self, name, array):
        self.weights.append(self.onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, layer, x, shape, path="", flattened=None):
        """Append ``layer``, which reads the tensor ``x``, a picture's ``shape`` (H, W, C); return the name of what it
        makes. ``flattened`` is the (H, W, C) of maps that were flattened just before."""
        match layer:
            case Sequential():
                for name, child, entering, flat in stations(layer, shape):
                    x = self.add(child, x, entering, f"{path}/{name}".lstrip("/"), flat)
                return x
            case Concat():
                ends = [self.add(branch, x, shape, path) for branch in layer.branches]
                return self.node("Concat", ends, path, axis=1)
            case Conv():
                return self.convolution([layer], x, path)
            case GroupedConv():
                return self.convolution(list(layer.children.values()), x, path)
            case Dense():
                w = self.weight(f"{path}/w", rows(layer.params["w"], flattened))
                return self.node("Gemm", [x, w, self.weight(f"{path}/b", layer.params["b"])], path, transB=1)
            case BatchNorm():
                values = layer.params | layer.buffers
                names = [self.weight(f"{path}/{name}", values[name]) for name in ("gamma", "beta", "mean", "variance")]
                return self.node("BatchNormalization", [x, *names], path, epsilon=layer.eps)
            case ReLU():
                return self.node("Relu", [x], path)
            case MaxPool():
                return self.node("MaxPool", [x], path, **window(layer))
            case AvgPool():  # where nothing is padded both divide by the pixels of the picture: the safer form
                return self.node("AveragePool", [x], path, **window(layer), count_include_pad=int(any(layer.pad)))
            case GlobalAvgPool():
                return self.node("Flatten", [self.node("GlobalAveragePool", [x], f"{path}/mean")], path)
            case LRN():
                size, alpha, beta, k = layer.constants
                return self.node("LRN", [x], path, size=size, alpha=alpha, beta=beta, bias=k)
            case Flatten():
                return self.node("Flatten", [x], path)
            case Dropout():
                return x
        raise TypeError(f"{path}: no ONNX form for {layer.describe()}")

    def convolution(self, groups, x, path):
        """One Conv for convolutions that each read their own group of channels: one group, or AlexNet's two."""
        first = groups[0]
        inputs = [x, self.weight(f"{path}/w", np.concatenate([filters(conv.params["w"]) for conv in groups]))]
        if "b" in first.params:
            inputs.append(self.weight(f"{path}/b", np.concatenate([conv.params["b"] for conv in groups])))
        return self.node("Conv", inputs, path, kernel_shape=first.kernel, strides=first.stride, pads=first.pad * 2,
                         group=len(groups))


def window(pool):
    return {"kernel_shape": pool.kernel, "strides": pool.stride, "pads": pool.pad * 2, "ceil_mode": int(pool.ceil_mode)}


def model_of(net, input_shape, *, batch="N", softmax=False, metadata=None, opset=OPSET, ir_version=IR_VERSION):
    """``net`` as an onnx.ModelProto that passed onnx's checker, for pictures of ``input_shape`` (H, W, C).

    batch: a number, or a name for any number. softmax: a second output, "probabilities". metadata: {word: value},
    written as text, or as JSON where it is no text.

    Raises UserError without the package onnx, or for a network too large for one file.
    """
    graph = Graph()
    onnx, helper = graph.onnx, graph.onnx.helper
    net = net.trunk if isinstance(net, Trunk) else net  # heads are for training
    if sum(w.nbytes for w in (net.parameters() | net.state()).values()) > LARGEST:
        raise UserError(f"ONNX export: the weights take more than {LARGEST:,} bytes, the most that one file can hold")
    H, W, C = input_shape
    graph.add(net, "pictures", input_shape)
    graph.nodes[-1].output[0] = "logits"
    if softmax:
        graph.node("Softmax", ["logits"], "probabilities", axis=-1)
    out = net.output_shape(input_shape)
    maps_out = (batch, out[-1], *out[:-1])
    real = onnx.TensorProto.FLOAT
    model = helper.make_model(
        helper.make_graph(graph.nodes, "minigooglenet",
                          [helper.make_tensor_value_info("pictures", real, (batch, C, H, W))],
                          [helper.make_tensor_value_info(name, real, maps_out)
                           for name in ["logits"] + ["probabilities"] * softmax], graph.weights),
        opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version, producer_name="minigooglenet")
    helper.set_model_props(model, {word: value if isinstance(value, str) else json.dumps(value)
                                   for word, value in (metadata or {}).items()})
    onnx.checker.check_model(model, full_check=True)
    return model


def save(path, model):
    """Write a ModelProto, whole or not at all."""
    octets = model.SerializeToString()
    write_atomically(path, lambda file: file.write(octets))


def runtime(model, threads=0):
    """An onnxruntime.InferenceSession on the CPU. Raises UserError without the package."""
    engine = need("onnxruntime", "checking the ONNX model")
    options = engine.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
    return engine.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def difference(model, net, x):
    """How far ONNX Runtime's logits are from ours on pictures x (N, H, W, C): the largest difference, as a part of the
    largest logit."""
    theirs, ours = runtime(model).run(["logits"], {"pictures": maps(x)})[0], maps(net.predict(x))
    return float(np.abs(theirs - ours).max() / max(np.abs(ours).max(), np.finfo(np.float32).tiny))
