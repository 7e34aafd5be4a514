"""The same network as an ONNX model, written by a walk over our structure, for the engines that only predict."""

import onnx
from onnx import TensorProto, helper, numpy_helper

from minigooglenet.compose import Concat, Sequential
from minigooglenet.layers import LRN, BatchNorm, Conv, Dense, Dropout, Flatten, GlobalAvgPool, MaxPool, ReLU

from .layout import filters, maps, maps_back, rows, stations
from .side import Side

OPSET, IR_VERSION = 13, 8  # old enough for every engine


class Graph:
    """Nodes and weights, gathered layer by layer; tensors are named by the paths of the layers that make them."""

    def __init__(self):
        self.nodes, self.weights = [], []

    def node(self, kind, inputs, name, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def weight(self, name, array):
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def add(self, layer, x, shape, path="", flattened=None):
        """Append ``layer``, which reads the tensor ``x``; return the name of what it makes."""
        match layer:
            case Sequential():
                for name, child, entering, flat in stations(layer, shape):
                    x = self.add(child, x, entering, f"{path}/{name}".lstrip("/"), flat)
                return x
            case Concat():
                ends = [self.add(branch, x, shape, path) for branch in layer.branches]
                return self.node("Concat", ends, path, axis=1)
            case Conv():
                inputs = [x, self.weight(f"{path}/w", filters(layer.params["w"]))]
                if "b" in layer.params:
                    inputs.append(self.weight(f"{path}/b", layer.params["b"]))
                return self.node("Conv", inputs, path, kernel_shape=layer.kernel, strides=layer.stride,
                                 pads=layer.pad * 2)
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
                return self.node("MaxPool", [x], path, kernel_shape=layer.kernel, strides=layer.stride,
                                 pads=layer.pad * 2, ceil_mode=int(layer.ceil_mode))
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


def model_of(work):
    """The Work's network (without heads) as an onnx.ModelProto for batches of its size."""
    net, graph = work.network(), Graph()
    H, W, C = work.input_shape
    last = graph.add(net, "x", work.input_shape)
    out = net.output_shape(work.input_shape)
    shape = (out[-1], *out[:-1])  # maps: channels first
    model = helper.make_model(helper.make_graph(
        graph.nodes, "googlenet", [helper.make_tensor_value_info("x", TensorProto.FLOAT, (work.batch, C, H, W))],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, (work.batch, *shape))], graph.weights),
        opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return model


class OnnxRuntime(Side):
    """ONNX Runtime on its CPU provider, all optimisations on (its default)."""

    def __init__(self, work, threads):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(model_of(work).SerializeToString(), options,
                                                    providers=["CPUExecutionProvider"])
        self.x, self.threads, self.version = maps(work.pictures()), threads, onnxruntime.__version__

    def step(self):
        return self.session.run(None, {"x": self.x})[0]

    def check(self):
        return {"logits": maps_back(self.step())}

    def facts(self):
        return {"version": f"ONNX Runtime {self.version}", "threads": self.threads}


class OpenCV(Side):
    """OpenCV's DNN module. It gets the ONNX model: OpenCV 5 no longer reads Caffe's files, OpenCV 4 reads both."""

    def __init__(self, work, threads):
        import cv2
        import numpy as np
        cv2.setNumThreads(threads)
        self.net = cv2.dnn.readNetFromONNX(np.frombuffer(model_of(work).SerializeToString(), np.uint8))
        self.x, self.cv2 = maps(work.pictures()), cv2

    def step(self):
        self.net.setInput(self.x)
        return self.net.forward()

    def check(self):
        return {"logits": maps_back(self.step().copy())}

    def facts(self):
        return {"version": f"OpenCV {self.cv2.__version__}", "threads": self.cv2.getNumThreads()}
