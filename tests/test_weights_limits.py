"""Hostile files of weights: each is refused in one line, below 1 GB of memory and 5 seconds."""

import json
import subprocess
import sys

import caffe_writer as caffe
import numpy as np
import pytest
import small
from test_weights_caffemodel import FOUR, googlenet, one_blob

from minigooglenet.training import checkpoint
from minigooglenet.training.trainer import Trainer
from minigooglenet.weights import safetensors_io
from minigooglenet.weights.convert import METADATA
from minigooglenet.weights.torchvision import BLOCKS, NAMES

resource = pytest.importorskip("resource", reason="no resource limits on this system")

#: Opens each file and prints {"file", "says", "seconds", "megabytes": the peak of the process so far}.
SCRIPT = """
import json, pathlib, resource, sys, time
resource.setrlimit(resource.RLIMIT_DATA, (2**30, 2**30))
from minigooglenet.errors import UserError
from minigooglenet.inference.classifier import open_weights
def peak():     # ru_maxrss includes the process that started this one
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        return next(int(row.split()[1]) for row in status.read_text().splitlines() if row.startswith("VmHWM")) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
for file in sys.argv[1:]:
    started, says = time.process_time(), None
    try:
        open_weights(file)
    except UserError as error:
        says = str(error)
    print(json.dumps({"file": file, "says": says, "seconds": time.process_time() - started, "megabytes": peak()}),
          flush=True)
"""


def safetensors(header, data=b""):
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(header).to_bytes(8, "little") + header + data


def entries(number):
    return {f"{i:06}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(number)}


def many_classes(rng):
    layers = googlenet(rng)
    layers["loss3/classifier"] = [rng.standard_normal((10**6, 1)), rng.standard_normal(10**6)]
    return caffe.net(layers, noise=False)


SHAPE = caffe.length(7, caffe.length(1, b"\x01"))
ONE = caffe.length(7, caffe.length(7, caffe.length(1, b"\x04")) + FOUR)         # a blob of four values
HEADER = {"dtype": "F32", "data_offsets": [0, 4]}
FILES = {
    "many shapes": lambda _: one_blob(SHAPE * 123_000 + FOUR),                  # 740 KB; took 49 s
    "more shapes": lambda _: one_blob(SHAPE * 1_900_000 + FOUR),
    "many axes": lambda _: one_blob(caffe.length(7, caffe.number(1, 1) * 4_900_000) + FOUR),
    "many blobs": lambda _: caffe.length(100, caffe.text(1, "x") + ONE * 350_000),
    "many layers": lambda _: b"".join(caffe.length(100, caffe.text(1, f"{i}") + ONE) for i in range(100_000)),
    "alternating fields": lambda _: one_blob((caffe.float32(5, 1) + caffe.float32(6, 1)) * 900_000),
    "unpacked weights": lambda _: one_blob(caffe.length(7, caffe.length(1, caffe.varint(1_900_000)))
                                           + caffe.float32(5, 1) * 1_900_000),
    "half precision": lambda _: one_blob(caffe.length(7, caffe.length(1, caffe.varint(4_900_000)))
                                         + caffe.number(10, 2) + caffe.length(12, bytes(9_800_000))),
    "a long name": lambda _: caffe.length(100, caffe.length(1, b"a" * 9_000_000) + caffe.length(7, b"")),
    "many classes": many_classes,                                               # the network would take 4 GB
    "many entries": lambda _: safetensors(entries(75_000)),
    "many lists": lambda _: safetensors(b'{"a":[' + b"[]," * 1_600_000 + b"[]]}"),
    "many objects": lambda _: safetensors(b'{"a":[' + b"{}," * 1_600_000 + b"{}]}"),
    "much metadata": lambda _: safetensors({"__metadata__": {str(i): "" for i in range(350_000)}}),
    "a header of 10 MB": lambda _: safetensors(b'{"a":[' + b"[]," * 3_000_000 + b"[]]}"),
    "a deep header": lambda _: safetensors(b'{"a":' + b"[" * 10**5 + b"]" * 10**5 + b"}"),
    "axes in a header": lambda _: safetensors({"a": {**HEADER, "shape": [1] * 1_600_000}}, bytes(4)),
    "huge axes": lambda _: safetensors({"a": {**HEADER, "shape": [2**62] * 200_000}}, bytes(4)),
    "a huge empty array": lambda _: safetensors({"a": {"dtype": "F32", "shape": [0, 2**62, 2**62],
                                                       "data_offsets": [0, 0]}}),
    "bfloat16": lambda _: safetensors({"conv1.conv.weight": {"dtype": "BF16", "shape": [4_900_000],
                                                             "data_offsets": [0, 9_800_000]}}, bytes(9_800_000)),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("hostile"), np.random.default_rng(0)
    for name, contents in FILES.items():
        (folder / name).write_bytes(contents(rng))
    wide = {"linear/w": np.ones((1, 10**6), np.float32), "linear/b": np.ones(10**6, np.float32)}
    safetensors_io.save(folder / "many converted classes", wide, METADATA)
    arrays = {theirs: np.zeros((1, 1, 1, 1) if ours[:-2] in BLOCKS else (10**6, 1) if ours == "linear/w" else 1)
              for ours, theirs in NAMES.items() if not ours.startswith("aux")}
    safetensors_io.save(folder / "many classes of torchvision", arrays)
    Trainer(small.NARROW.but(epochs=1), small.dataset(), folder / "run").save()
    arrays, metadata = safetensors_io.load(folder / "run" / checkpoint.NAME)
    config = json.loads(metadata["config"]) | {"classifier": "fc", "width": 4, "reduced": False}
    for name, changes in {
        "49 GB": {"input_shape": [110_000, 110_000, 3]},
        "large images": {"input_shape": [512, 512, 3], "config": config},       # 35 GB of weights
        "channels": {"input_shape": [32, 32, 512], "config": config},
        "classes": {"classes": ["c"] * 600_000},
        "deep": {"progress": "[" * 10**5 + "]" * 10**5},
        "broad": {"generator": "[" + "[]," * 1_500_000 + "[]]"},
    }.items():
        texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in changes.items()}
        safetensors_io.save(folder / f"checkpoint: {name}", arrays, metadata | texts)
    return [file for file in sorted(folder.iterdir()) if file.is_file()]


def test_hostile_files_are_refused_within_limits(files):
    process = subprocess.run([sys.executable, "-c", SCRIPT, *map(str, files)], capture_output=True, text=True,
                             cwd=small.ROOT)
    assert process.returncode == 0, process.stderr
    results = [json.loads(line) for line in process.stdout.splitlines()]
    assert [result["file"] for result in results] == [str(file) for file in files] and len(files) == len(FILES) + 8
    for file, result in zip(files, results, strict=True):
        assert file.stat().st_size < 10**7 and result["megabytes"] < 1000 and result["seconds"] < 5, result
        assert result["says"].startswith(f"{file}: ") and "\n" not in result["says"], result
        assert len(result["says"]) < 400 + len(str(file)), result


def test_a_header_of_100_mb_is_not_read(tmp_path):
    """Parsing it would take 2.4 GB. The file is sparse: it takes no space on disk."""
    with open(tmp_path / "w.safetensors", "wb") as file:
        file.write((10**8).to_bytes(8, "little") + b'{"a":[')
        file.truncate(8 + 10**8)
    process = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path / "w.safetensors")], capture_output=True,
                             text=True, cwd=small.ROOT)
    result = json.loads(process.stdout)
    assert "names and metadata of 100,000,000 bytes, expected at most 5,000,000" in result["says"]
    assert result["megabytes"] < 300 and result["seconds"] < 5
