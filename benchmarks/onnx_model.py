"""The same network as an ONNX model (``minigooglenet/weights/onnx_export.py``), for engines that only predict."""

from typing import Any

import numpy as np

from minigooglenet.layers import Array
from minigooglenet.weights.layout import maps_to_nchw, maps_to_nhwc
from minigooglenet.weights.onnx_export import export_model, runtime

from .side import Side
from .work import Work

OPSET, IR_VERSION = 13, 8  # old enough for every engine


def model_for(work: Work) -> Any:
    """The network of ``work``, without auxiliary classifiers, as an onnx.ModelProto for batches of its size."""
    return export_model(work.network(), work.input_shape, batch=work.batch, opset=OPSET, ir_version=IR_VERSION)


class OnnxRuntime(Side):
    """ONNX Runtime on its CPU provider, with all optimizations (its default)."""

    def __init__(self, work: Work, threads: int) -> None:
        import onnxruntime
        self.session = runtime(model_for(work), threads)
        self.x, self.threads, self.version = maps_to_nchw(work.images()), threads, onnxruntime.__version__

    def step(self) -> Array:
        return self.session.run(None, {"images": self.x})[0]

    def check(self) -> dict[str, Array]:
        return {"logits": maps_to_nhwc(self.step())}

    def facts(self) -> dict[str, Any]:
        return {"version": f"ONNX Runtime {self.version}", "threads": self.threads}


class OpenCV(Side):
    """OpenCV's DNN module, with the ONNX model: OpenCV 5 no longer reads Caffe's files, OpenCV 4 reads both."""

    def __init__(self, work: Work, threads: int) -> None:
        import cv2
        cv2.setNumThreads(threads)
        self.net = cv2.dnn.readNetFromONNX(np.frombuffer(model_for(work).SerializeToString(), np.uint8))
        self.x, self.cv2 = maps_to_nchw(work.images()), cv2

    def step(self) -> Array:
        self.net.setInput(self.x)
        return self.net.forward()

    def check(self) -> dict[str, Array]:
        return {"logits": maps_to_nhwc(self.step().copy())}

    def facts(self) -> dict[str, Any]:
        return {"version": f"OpenCV {self.cv2.__version__}", "threads": self.cv2.getNumThreads()}
