"""The sides of the comparison, and what each implements. A side runs in a process of its own (``worker.py``)."""

import importlib
import importlib.util
import os
import shutil
from typing import Any, NamedTuple

from minigooglenet.layers import Array

from .work import Work

CHECKED = 8  # images in a training step that is checked


class Side:
    """One engine, ready to do one Work.

    ``step()`` is timed. ``check()`` does the same without dropout and returns {name: array} in our layout, for
    comparison: "logits", and in training how one step on CHECKED images changes each parameter. ``facts()`` returns
    versions and threads.
    """

    def __init__(self, work: Work, threads: int) -> None:
        raise NotImplementedError

    def step(self) -> Any:
        raise NotImplementedError

    def check(self) -> dict[str, Array]:
        raise NotImplementedError

    def facts(self) -> dict[str, Any]:
        raise NotImplementedError


class Entry(NamedTuple):
    """title; where its class is (module:class); the packages it needs; whether it trains; whether it first compiles for
    minutes: it is then measured on request only, and its gradients are not checked in float64 as well."""
    title: str
    place: str
    needs: tuple[str, ...] = ()
    trains: bool = True
    slow_start: bool = False


SIDES = {
    "ours": Entry("minigooglenet", "ours:Ours"),
    "plain": Entry("minigooglenet, plain", "ours:Plain"),
    "torch": Entry("PyTorch NCHW", "torch_model:NCHW", ("torch",)),
    "torch-cl": Entry("PyTorch channels_last", "torch_model:ChannelsLast", ("torch",)),
    "torch-compile": Entry("PyTorch, compiled", "torch_model:Compiled", ("torch",), slow_start=True),
    "openvino": Entry("OpenVINO", "openvino_model:OpenVINO", ("openvino", "onnx"), trains=False),
    "onnxruntime": Entry("ONNX Runtime", "onnx_model:OnnxRuntime", ("onnxruntime", "onnx"), trains=False),
    "opencv": Entry("OpenCV DNN", "onnx_model:OpenCV", ("cv2", "onnx"), trains=False),
    "textbook": Entry("textbook NumPy", "textbook_net:Textbook"),
}


#: The engines that our implementation is compared with.
ENGINES = ("torch", "torch-cl", "torch-compile", "openvino", "onnxruntime", "opencv")
DEFAULT = tuple(name for name, entry in SIDES.items() if not entry.slow_start)


def missing(name: str) -> str | None:
    """The first package, or compiler, that a side needs and that is not installed, or None."""
    if name == "torch-compile" and not any(map(shutil.which, (os.environ.get("CXX") or "c++", "g++", "clang++"))):
        return "a C++ compiler"
    return next((package for package in SIDES[name].needs if importlib.util.find_spec(package) is None), None)


def load(name: str) -> type[Side]:
    """The class of a side."""
    module, attribute = SIDES[name].place.split(":")
    return getattr(importlib.import_module(f"benchmarks.{module}"), attribute)
