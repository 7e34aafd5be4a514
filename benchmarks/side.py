"""What every side promises, and which sides there are. A side lives in a process of its own (``worker.py``)."""

import importlib
import importlib.util
from typing import NamedTuple

CHECKED = 8  # pictures in a training step that is checked


class Side:
    """One engine, ready to do one Work.

    ``step()`` is what is timed; ``check()`` does the same with dropout off and returns {name: array} in our layout, for
    comparison: "logits", and in training what one step on CHECKED pictures changed in each parameter.
    ``facts()`` says with what: versions and threads.
    """

    def __init__(self, work, threads):
        raise NotImplementedError

    def step(self):
        raise NotImplementedError

    def check(self):
        raise NotImplementedError

    def facts(self):
        raise NotImplementedError


class Entry(NamedTuple):
    """title; where its class is; the packages it needs; whether it trains."""
    title: str
    place: str
    needs: tuple = ()
    trains: bool = True


SIDES = {
    "ours": Entry("minigooglenet", "ours:Ours"),
    "plain": Entry("minigooglenet, plain", "ours:Plain"),
    "torch": Entry("PyTorch NCHW", "torch_model:NCHW", ("torch",)),
    "torch-cl": Entry("PyTorch channels_last", "torch_model:ChannelsLast", ("torch",)),
    "onnxruntime": Entry("ONNX Runtime", "onnx_model:OnnxRuntime", ("onnxruntime", "onnx"), trains=False),
    "opencv": Entry("OpenCV DNN", "onnx_model:OpenCV", ("cv2", "onnx"), trains=False),
    "textbook": Entry("textbook NumPy", "textbook_net:Textbook"),
}


def missing(name):
    """The first package that a side needs and that is not installed, or None."""
    return next((package for package in SIDES[name].needs if importlib.util.find_spec(package) is None), None)


def load(name):
    """The class of a side."""
    module, attribute = SIDES[name].place.split(":")
    return getattr(importlib.import_module(f"benchmarks.{module}"), attribute)
