"""The live explorer computes in JavaScript what the layers compute in Python; skipped without node."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import explorer_page
import numpy as np
import pytest
from PIL import Image

from minigooglenet import explorer
from minigooglenet.data.photos import center_crop, open_photo
from minigooglenet.errors import UserError
from minigooglenet.explorer.facts import every_output
from minigooglenet.explorer.live.structure import arrays, packed, preparation, steps, structure
from minigooglenet.explorer.live.wasm import assemble
from minigooglenet.inference.classifier import load_caffe
from minigooglenet.layers import (
    AvgPool,
    Block,
    Concat,
    Conv,
    Dense,
    Flatten,
    GlobalAvgPool,
    MaxPool,
    Sequential,
    softmax,
)
from minigooglenet.models.catalog import network
from minigooglenet.models.mini import mini_googlenet

NODE = shutil.which("node")
LIVE = Path(explorer.__file__).parent / "live"
RUNNER = Path(__file__).parent / "live" / "activations.js"

needs_node = pytest.mark.skipif(NODE is None, reason="no node")


def ordered(all_steps):
    return [step for top in all_steps
            for step in [*(inner for branch in top.get("branches", ()) for inner in branch), top]]


def in_javascript(net, image, prepare, images, folder, dtype, off=None, wasm=True):
    """{path: outputs for all images}, with the matrix product in WebAssembly or in plain JavaScript."""
    data = structure(net, image, prepare, dtype)
    (folder / "structure.json").write_text(json.dumps(data))
    (folder / "weights.bin").write_bytes(packed(net, dtype))
    (folder / "gemm.wasm").write_bytes(assemble((LIVE / "gemm.wat").read_text(encoding="utf-8")) if wasm else b"")
    opaque = np.full((*images.shape[:3], 1), 255, np.uint8)
    (folder / "images.bin").write_bytes(np.concatenate([images, opaque], axis=-1).tobytes())
    done = subprocess.run([NODE, RUNNER, folder, LIVE, json.dumps(off or {})], capture_output=True, text=True,
                          timeout=300)
    assert done.returncode == 0, done.stderr
    values = np.fromfile(folder / "activations.bin", "<f4").reshape(len(images), -1)
    found, at = {}, 0
    every = ordered(data["steps"])
    for path, shape in [*((step["path"], step["out"]) for step in every), ("softmax", every[-1]["out"]),
                        *((step["path"], step["out"]) for head in data["heads"] for step in head["steps"])]:
        size = int(np.prod(shape))
        found[path] = values[:, at:at + size].reshape(len(images), *shape)
        at += size
    assert at == values.shape[1]
    return found


def compare(found, expected, tolerance):
    """‖found - expected‖ / ‖expected‖ of every layer is below the tolerance."""
    for path, y in expected.items():
        error = np.linalg.norm(found[path] - y) / np.linalg.norm(y)
        assert error < tolerance, f"{path}: {error:.2e}"


def trained_a_little(net, rng):
    """Random batch norm statistics, as training would leave them."""
    for path, a in [*net.state().items(), *net.parameters().items()]:
        if path.endswith(("mean", "beta", "b")):
            a[...] = rng.normal(0, 0.2, a.shape)
        if path.endswith(("variance", "gamma")):
            a[...] = rng.uniform(0.5, 1.5, a.shape)
    return net


def scaled(x):
    return np.asarray(x, np.float32)[..., ::-1] / 64 - np.array([1, 2, 1.5], np.float32)


@needs_node
@pytest.mark.parametrize("wasm", [True, False], ids=["wasm", "plain"])
@pytest.mark.parametrize(("norm", "dtype", "tolerance"), [("batch", "float32", 1e-5), ("lrn", "int16", 1e-3)])
def test_every_activation_of_the_reduced_network(norm, dtype, tolerance, wasm, rng, tmp_path):
    net = trained_a_little(mini_googlenet(0.25, norm=norm, classes=7, rng=rng), rng)
    images = rng.integers(0, 256, (2, 32, 32, 3), np.uint8)
    found = in_javascript(net, (32, 32, 3), scaled, images, tmp_path, dtype, wasm=wasm)
    outputs = every_output(net, scaled(images))
    for name, (tap, head) in net.heads.items():
        outputs[f"{name}/{list(head.children)[-1]}"] = head.predict(outputs[tap])
    compare(found, outputs, tolerance)
    np.testing.assert_allclose(found["softmax"], softmax(found["linear"]), rtol=1e-4)


@needs_node
def test_odd_windows_strides_and_sizes(rng, tmp_path):
    """Not square, all strides and paddings, pools that round up and down, flattened maps, F not a multiple of four."""
    net = Sequential({
        "a": Block(Conv(3, 5, (3, 5), (2, 1), (0, 2), rng=rng)), "p": MaxPool(3, 2, 1, ceil_mode=True),
        "m": Concat({"one": Block(Conv(5, 3, 1, rng=rng))}, {"pool": AvgPool(3, 1, 1)}),
        "q": AvgPool((2, 3), (2, 2), (1, 1), ceil_mode=True), "flatten": Flatten(),
        "fc": Block(Dense(8 * 3 * 5, 9, rng=rng)), "out": Dense(9, 3, rng=rng)})
    image = (19, 17, 3)
    assert net.output_shape(image) == (3,)
    images = rng.integers(0, 256, (3, *image), np.uint8)
    outputs = every_output(net, scaled(images))
    compare(in_javascript(net, image, scaled, images, tmp_path, "float32"), outputs, 1e-5)


@needs_node
def test_a_branch_and_a_channel_that_are_switched_off(rng, tmp_path):
    net = Sequential({"m": Concat({"1x1": Block(Conv(3, 4, 1, rng=rng))}, {"3x3": Block(Conv(3, 6, 3, 1, 1, rng=rng))}),
                      "pool": GlobalAvgPool(), "out": Dense(10, 4, rng=rng)})
    images = rng.integers(0, 256, (1, 6, 5, 3), np.uint8)
    found = in_javascript(net, (6, 5, 3), scaled, images, tmp_path, "float32", {"m/3x3": "all", "m": [1]})
    y = every_output(net, scaled(images))["m"]
    y[..., 4:] = 0
    y[..., 1] = 0
    np.testing.assert_allclose(found["m"], y, rtol=1e-4, atol=1e-5)
    out = net.children["out"]
    np.testing.assert_allclose(found["out"], y.mean(axis=(1, 2)) @ out.params["w"] + out.params["b"], rtol=1e-4)


@needs_node
@pytest.mark.parametrize(("dtype", "tolerance"), [("int16", 1e-3), ("float32", 1e-5)])
def test_googlenet_of_2014_on_photos(dtype, tolerance, tmp_path):
    """All 40 photos with MINIGOOGLENET_SLOW=1, otherwise one."""
    weights, photos = (os.environ.get(f"MINIGOOGLENET_{name}") for name in ("CAFFE", "PHOTOS"))
    if not weights or not photos:
        pytest.skip("set MINIGOOGLENET_CAFFE and MINIGOOGLENET_PHOTOS to the folders of the weights and of the photos")
    files = sorted(Path(photos).glob("*.JPEG"))
    files = files if os.environ.get("MINIGOOGLENET_SLOW") else files[7:8]
    model = load_caffe(next(Path(weights).glob("*.caffemodel")))
    images = np.stack([center_crop(open_photo(file)) for file in files])
    found = in_javascript(model.net, (224, 224, 3), model.prepare, images, tmp_path, dtype)
    for n in range(len(images)):
        outputs = every_output(model.net, model.prepare(images[n:n + 1]))
        p = softmax(outputs["linear"])
        compare({path: y[n:n + 1] for path, y in found.items()}, outputs, tolerance)
        assert (np.argsort(-found["softmax"][n])[:5] == np.argsort(-p[0])[:5]).all(), files[n]


@needs_node
@pytest.mark.parametrize(("width", "height", "size"), [(513, 512, 224), (91, 257, 224), (700, 300, 224), (57, 40, 32),
                                                       (20, 31, 32), (32, 32, 32)])
def test_images_are_cropped_as_pillow_does(width, height, size, rng):
    """Noise, made larger and smaller; 513 · 256 / 512 is 256.5."""
    pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
    expected = center_crop(Image.fromarray(pixels), 256 if size == 224 else size, size)
    opaque = np.concatenate([pixels, np.full((height, width, 1), 255, np.uint8)], axis=-1)
    done = subprocess.run([NODE, RUNNER.with_name("crop.js"), LIVE, *map(str, (size, width, height))],
                          input=opaque.tobytes(), capture_output=True, check=True)
    found = np.frombuffer(done.stdout, np.uint8).reshape(size, size, 4)[..., :3]
    assert np.abs(found.astype(int) - expected).max() <= 1 and (found == expected).mean() > 0.99


def test_steps_are_data(tmp_path):
    net = network("googlenet")
    data = json.loads(json.dumps(steps(net, (224, 224, 3))))
    by_path = {step["path"]: step for step in ordered(data)}
    assert by_path["4a/5x5"] == {"path": "4a/5x5", "op": "conv", "in": [14, 14, 16], "out": [14, 14, 48], "relu": True,
                                 "kernel": [5, 5], "stride": [1, 1], "pad": [2, 2]}
    assert by_path["4a"]["op"] == "concat" and len(by_path["4a"]["branches"]) == 4
    assert "relu" not in by_path["linear"] and by_path["norm1"]["constants"] == [5, 1e-4, 0.75, 1.0]
    assert sum(a.size for a in arrays(net)) == 6_998_552


def test_the_preparation_as_data():
    data = preparation(scaled)
    assert data["source"] == [2, 1, 0]
    np.testing.assert_allclose(data["scale"], [1 / 64] * 3, rtol=1e-6)
    np.testing.assert_allclose(data["shift"], [-1, -2, -1.5], rtol=1e-6)
    with pytest.raises(UserError, match="mixes the color channels"):
        preparation(lambda x: np.repeat(x.mean(axis=-1, keepdims=True), 3, axis=-1))


def test_what_does_not_run_in_the_browser():
    with pytest.raises(UserError, match="conv2: grouped conv does not run in the browser"):
        packed(network("alexnet"))
    net = explorer_page.classifier().net.trunk
    net.children["linear"].params["w"][0, 0] = np.inf
    with pytest.raises(UserError, match="some are not finite"):
        packed(net)
