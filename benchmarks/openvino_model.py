"""OpenVINO on the CPU, with the ONNX model of ``onnx_model.py``."""

from typing import Any

from minigooglenet.layers import Array
from minigooglenet.weights.layout import maps_to_nchw, maps_to_nhwc

from .onnx_model import model_for
from .side import Side
from .work import Work


class OpenVINO(Side):
    """OpenVINO, compiled for the shortest time of one request. In float32, as all sides: on processors that have
    bfloat16 its default would be that."""

    def __init__(self, work: Work, threads: int) -> None:
        import openvino
        model = openvino.Core().read_model(model_for(work).SerializeToString())
        self.compiled = openvino.Core().compile_model(model, "CPU", {
            "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": "1", "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32"})
        self.request = self.compiled.create_infer_request()
        self.x, self.version = maps_to_nchw(work.images()), openvino.__version__.split("-")[0]

    def step(self) -> Array:
        return self.request.infer([self.x], share_inputs=True, share_outputs=True)[0]

    def check(self) -> dict[str, Array]:
        return {"logits": maps_to_nhwc(self.step().copy())}

    def facts(self) -> dict[str, Any]:
        return {"version": f"OpenVINO {self.version}", "threads": self.compiled.get_property("INFERENCE_NUM_THREADS")}
