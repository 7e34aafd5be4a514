"""Small valid inputs of every reader, made when they are needed: nothing binary is stored."""

import functools
import gzip
import json
import pickle
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import caffe_writer as caffe
import numpy as np
import onnx_writer as onnx
import small
from test_data_cifar10 import tar

from minigooglenet.data.cifar import CIFAR10, CIFAR100, Cifar
from minigooglenet.data.labels import CLASSES, KNOWN
from minigooglenet.training.config import Config
from minigooglenet.training.steps import COLUMNS
from minigooglenet.training.trainer import Trainer
from minigooglenet.weights import safetensors_io
from minigooglenet.weights.caffemodel import TRUNK
from minigooglenet.weights.convert import METADATA, torchvision_metadata
from minigooglenet.weights.onnx_import import ZOO
from minigooglenet.weights.torchvision import NAMES

IMAGES = 3          # in each file of CIFAR


class Seed(NamedTuple):
    """The files of a folder, the one of them that is changed ("" for all names), and its form in ``mutate.FORMS``."""

    files: dict[str, bytes]
    target: str
    form: str


def one(name: str, data: bytes, form: str = "bytes") -> Seed:
    return Seed({name: data}, name, form)


def rng() -> np.random.Generator:
    return np.random.default_rng(16)


# -- weights -----------------------------------------------------------------------------------------------------------

def _arrays():
    """GoogLeNet's arrays by Caffe's names, as small as the axes allow."""
    return {name: [np.full((2, 3) if "classifier" in name else (2, 1, 1, 1), 0.5, np.float32), np.ones(2, np.float32)]
            for name in TRUNK}


@functools.cache
def caffemodels() -> list[Seed]:
    return [one("net.caffemodel", caffe.net(_arrays(), layout, encoding), "protobuf")
            for layout, encoding in caffe.VARIANTS]


def _safetensors(arrays, metadata):
    with TemporaryDirectory() as folder:
        safetensors_io.save(Path(folder) / "x", arrays, metadata)
        return (Path(folder) / "x").read_bytes()


@functools.cache
def converted() -> list[Seed]:
    ours = {f"{path}/{name}": array for caffe_name, path in TRUNK.items()
            for name, array in zip("wb", _arrays()[caffe_name], strict=True)}
    theirs = {path: np.ones((1,) if not path.endswith("/w") else (2, 3) if "linear" in path else (1, 1, 1, 1), "<f2")
              for path in NAMES if not path.startswith("aux")}
    return [one("net.safetensors", _safetensors(arrays, metadata), "safetensors") for arrays, metadata in (
        (ours, METADATA), (theirs, torchvision_metadata("imagenet")),
        ({f"module.{NAMES[path]}": array for path, array in theirs.items()}, {"format": "pt"}))]


CONFIGS = (small.NARROW, Config(model="lenet5", width=0.1, batch=8, epochs=1, average=0, heads=False),
           small.NARROW.but(norm="lrn", classifier="fc", heads=False, drop_prob=0.1))


@functools.cache
def dataset():
    return small.dataset(16, 8)


@functools.cache
def runs() -> list[Seed]:
    """Runs in the middle of their last epoch."""
    found = []
    for config in CONFIGS:
        with TemporaryDirectory() as folder:
            trainer = Trainer(config, dataset(), folder)
            trainer.run(stop=lambda trainer=trainer: trainer.step == trainer.steps - 1)
            rows = [",".join(COLUMNS)] + [f"{step},{step / 2},0.05,2.3,0.1,700,0.1" for step in range(1, trainer.steps)]
            found.append(Seed({"checkpoint.safetensors": (Path(folder) / "checkpoint.safetensors").read_bytes(),
                               "steps.csv": "\n".join([*rows, ""]).encode()}, "checkpoint.safetensors", "safetensors"))
    return found


@functools.cache
def steps() -> list[Seed]:
    return [seed._replace(target="steps.csv", form="text") for seed in runs()[:1]]


@functools.cache
def graphs() -> list[Seed]:
    """Networks with and without a rule for each node; exports, if the package onnx is installed."""
    image, w = onnx.value("x", ("N", 3, 8, 6)), np.ones((4, 3, 3, 3), "<f4").tobytes()
    nodes = [onnx.node("Conv", ["x", "w"], ["a"], [onnx.ints("pads", [1] * 4), onnx.ints("strides", [1, 1])]),
             onnx.node("Relu", ["a"], ["b"]), onnx.node("Shape", ["b"], ["s"]),
             onnx.node("MaxPool", ["b"], ["c"], [onnx.ints("kernel_shape", [2, 2])]),
             onnx.node("Concat", ["c", "c"], ["d"], [caffe.text(1, "axis") + caffe.number(3, 1) + caffe.number(20, 2)]),
             onnx.node("GlobalAveragePool", ["d"], ["e"]), onnx.node("Odd", ["e"], ["g"], name="x/odd"),
             onnx.node("Flatten", ["e"], ["f"])]
    made = onnx.model(nodes, [onnx.tensor("w", (4, 3, 3, 3), raw=w)], [image], metadata=[("variant", "bvlc")])
    arrays = {name: _arrays()[caffe_name] for caffe_name, path in TRUNK.items() for name in ZOO
              if ZOO[name].startswith(path + "/")}
    zoo = onnx.model([onnx.node("Relu", ["data_0"], ["prob_1"])],
                     [onnx.tensor(name, array.shape, raw=array.tobytes()) for name, blobs in arrays.items()
                      for array in [blobs["wb".index(ZOO[name][-1])]]], [onnx.value("data_0", (1, 3, 224, 224))])
    return [one("net.onnx", data, "protobuf") for data in (made, zoo, *_exports())]


def _exports():
    import dataclasses

    from minigooglenet.inference.classifier import load_run
    from minigooglenet.weights.onnx_export import export_model
    for seed in runs() if find_spec("onnx") else []:            # the package that writes them is optional
        with TemporaryDirectory() as folder:
            (Path(folder) / seed.target).write_bytes(seed.files[seed.target])
            found = load_run(folder)
        yield export_model(found.net, (32, 32, 3), metadata=found.metadata | {
            "labels": found.labels, "config": dataclasses.asdict(found.config), "size": 32, "shorter": 32,
        }).SerializeToString()


# -- data sets ---------------------------------------------------------------------------------------------------------

def little(kind: Cifar) -> Cifar:
    """CIFAR with so few images that a file of it is small."""
    return kind._replace(records=dict.fromkeys(kind.records, IMAGES))


def _binary(kind):
    files = {}
    for name in kind.records:
        data = rng().integers(0, 256, (IMAGES, kind.record), np.uint8)
        data[:, :len(kind.labels)] %= 10
        files[name] = data.tobytes()
    return files | {name: "".join(f"{key} {k}\n" for k in range(20)).encode() for name, key in kind.names.items()}


def _pickles(kind, protocol):
    batch = {"batch_label": "training batch", "data": rng().integers(0, 256, (IMAGES, 3072), np.uint8),
             "filenames": ["cat.png"] * IMAGES} | {key: [k % 10 for k in range(IMAGES)] for key in kind.labels}
    names = {key: [f"{key} {k}" for k in range(20)] for key in kind.names.values()}
    return {name: pickle.dumps(value, protocol) for name, value in [
        *((name, batch) for name in kind.pickles), (kind.meta, names)]}


@functools.cache
def archives() -> list[Seed]:
    contents = [_binary(CIFAR10), _binary(CIFAR100), _pickles(CIFAR10, 2), _pickles(CIFAR100, 4)]
    packed = [tar(files) for files in contents]
    return [*(one("archive", data, "gzip") for data in packed), one("archive", gzip.decompress(packed[0]), "tar")]


@functools.cache
def pickles() -> list[Seed]:
    return [one("batch", data) for protocol in (0, 2, 4) for data in
            list(_pickles(CIFAR100, protocol).values())[1:]]


@functools.cache
def records() -> list[Seed]:
    found = []
    for kind in (CIFAR10, CIFAR100):
        files = _binary(kind) | {"checksums.json": json.dumps({
            "sha256": dict.fromkeys(kind.records, "0" * 64), "archive_sha256": kind.sources[0].sha256}).encode()}
        files = {f"{kind.folder}/{name}": data for name, data in files.items()}
        found += [Seed(files, name, "bytes" if name.endswith(".bin") else "json" if name.endswith("json") else "text")
                  for name in files]
    return found


# -- text --------------------------------------------------------------------------------------------------------------

@functools.cache
def labels() -> list[Seed]:
    full = [f"thing {number}, object {number}" for number in range(CLASSES)]
    for name, known in KNOWN.items():
        full[known] = name
    few = ["tench, Tinca tinca", "cassé", "it's", "a \"b\" c", "x", "y", "z", "208 dog", "u", "v"]
    ids = [f"n{10**7 + number:08}" for number in range(CLASSES)]
    return [one("labels", text.encode(), form) for words in (few, full) for form, text in (
        ("text", "".join(f"{word}\n" for word in words)),
        ("text", "".join(f"{key} {word}\n" for key, word in zip(ids, words, strict=False))),
        ("text", "".join(f"{key} {n + 1} {word}\n" for n, (key, word) in enumerate(zip(ids, words, strict=False)))),
        ("text", "".join(f'{key},"{word}"\n' for key, word in zip(ids, words, strict=False))),
        ("json", json.dumps(words)), ("json", json.dumps(dict(enumerate(words)))),
        ("json", json.dumps({str(n): [key, word] for n, (key, word) in enumerate(zip(ids, words, strict=False))})),
        ("text", repr(dict(enumerate(words)))), ("text", f"labels = {words!r}"))]


@functools.cache
def words() -> list[Seed]:
    """Those of 1000 classes."""
    return labels()[len(labels()) // 2:]


@functools.cache
def truth() -> list[Seed]:
    rows = [("a b.jpg", 7), ("é.png", 0), ("c,d.jpg", 999)]
    return [one("truth", json.dumps([{"photo": name, "label": label, "x": [1]} for name, label in rows]).encode(),
                "json"),
            one("truth", ("file,label\n" + "".join(f'"{name}",{label}\n' for name, label in rows)).encode(), "text")]


@functools.cache
def progress() -> list[Seed]:
    return [one("progress.json", json.dumps({"ran": {"convolution": {"seconds": 1.5, "on": "2026-01-01"}, "01": {}},
                                             "passed": {"pooling": ["a", "b"]}}).encode(), "json")]
