"""The same network as an ONNX model (``minigooglenet/weights/onnx_export.py``), for the engines that only predict."""

from minigooglenet.weights.layout import maps, maps_back
from minigooglenet.weights.onnx_export import model_of, runtime

from .side import Side

OPSET, IR_VERSION = 13, 8  # old enough for every engine


def model_for(work):
    """The Work's network (without heads) as an onnx.ModelProto for batches of its size."""
    return model_of(work.network(), work.input_shape, batch=work.batch, opset=OPSET, ir_version=IR_VERSION)


class OnnxRuntime(Side):
    """ONNX Runtime on its CPU provider, all optimisations on (its default)."""

    def __init__(self, work, threads):
        import onnxruntime
        self.session = runtime(model_for(work), threads)
        self.x, self.threads, self.version = maps(work.pictures()), threads, onnxruntime.__version__

    def step(self):
        return self.session.run(None, {"pictures": self.x})[0]

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
        self.net = cv2.dnn.readNetFromONNX(np.frombuffer(model_for(work).SerializeToString(), np.uint8))
        self.x, self.cv2 = maps(work.pictures()), cv2

    def step(self):
        self.net.setInput(self.x)
        return self.net.forward()

    def check(self):
        return {"logits": maps_back(self.step().copy())}

    def facts(self):
        return {"version": f"OpenCV {self.cv2.__version__}", "threads": self.cv2.getNumThreads()}
