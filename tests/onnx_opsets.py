"""Networks and pools as ONNX models of every opset, for any version of ONNX Runtime.

    .venv/bin/python tests/onnx_opsets.py write FOLDER [FILE|RUN ...]   networks with random weights, and trained ones
    ANY/bin/python tests/onnx_opsets.py run FOLDER                      needs only NumPy and onnxruntime

``run`` compares ONNX Runtime's logits with ours and prints, for each opset, the number of models, the largest
difference relative to the largest logit, and the models that differ by more than 1e-4 or do not load. The exit code is
1 if any model with an opset up to that of ``--up-to`` (default: 20, the newest of ONNX Runtime 1.17) is among them.
"""

import argparse
import collections
import itertools
import sys
from pathlib import Path

import numpy as np

TOLERANCE = 1e-4
WINDOWS = [(2, 2, 0), (3, 2, 0), (3, 2, 1), (3, 1, 1), (5, 3, 0), (5, 3, 2)]
NETWORKS = {"googlenet": 64, "googlenet-torchvision": 64, "mini": 32, "lenet5": 32, "nin-cifar": 32,
            "nin": 64}      # the sides of their smallest images


def cases(files):
    """(name, network, shape of an image)"""
    from onnx_table import shuffled

    from minigooglenet.inference.classifier import open_weights
    from minigooglenet.layers import AvgPool, MaxPool
    from minigooglenet.layers.containers import Sequential
    from minigooglenet.models.catalog import entry, network
    rng = np.random.default_rng(0)
    for pool, window, ceil_mode, (H, W) in itertools.product((MaxPool, AvgPool), WINDOWS, (False, True),
                                                             ((14, 14), (13, 9), (8, 10))):
        name = f"{pool.__name__} {window} {'up' if ceil_mode else 'down'} {H}×{W}"
        yield name, Sequential({"pool": pool(*window, ceil_mode)}), (H, W, 3)
    for name, side in NETWORKS.items():
        shape = (side, side, entry(name).input_shape[-1])
        yield name, shuffled(network(name, input_shape=shape, classes=7, rng=rng), rng), shape
    for file in files:
        found = open_weights(file)
        yield f"{found.metadata['variant']} {Path(file).name}", found.net, (found.size, found.size, 3)


def write(folder, files):
    import onnx

    from minigooglenet.weights.layout import maps_to_nchw
    from minigooglenet.weights.onnx_export import OLDEST_OPSET, export_model
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    for name, net, shape in cases(files):
        x = rng.standard_normal((2, *shape), np.float32)
        np.savez(folder / f"{name}.npz", x=maps_to_nchw(x), y=maps_to_nchw(net.predict(x)))
        for opset in range(OLDEST_OPSET, onnx.defs.onnx_opset_version() + 1):
            model = export_model(net, shape, opset=opset)
            (folder / f"{name}@{opset}.onnx").write_bytes(model.SerializeToString())


def run(folder, up_to):
    import onnxruntime
    onnxruntime.set_default_logger_severity(4)
    worst, count, wrong = collections.Counter(), collections.Counter(), collections.defaultdict(list)
    for file in sorted(folder.glob("*.onnx")):
        name, opset = file.stem.rsplit("@", 1)
        try:
            session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        except Exception as error:  # each of its errors is a direct subclass of Exception
            wrong[int(opset)].append(f"{name}: {str(error).splitlines()[0][:60]}")
            continue
        with np.load(folder / f"{name}.npz") as expected:
            y = session.run(["logits"], {"images": expected["x"]})[0]
            difference = float(np.abs(y - expected["y"]).max() / np.abs(expected["y"]).max())
        count[int(opset)] += 1
        worst[int(opset)] = max(worst[int(opset)], difference)
        if not difference < TOLERANCE:
            wrong[int(opset)].append(f"{name}: {difference:.1e}")
    print(f"ONNX Runtime {onnxruntime.__version__}")
    for opset in sorted({*count, *wrong}):
        names = wrong.get(opset, [])
        print(f"opset {opset}: {count[opset]} models, largest difference {worst[opset]:.1e}, wrong: {len(names)}",
              *names[:1])
    return int(any(opset <= up_to for opset in wrong) or not count)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("write", "run"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("files", nargs="*", metavar="FILE|RUN")
    parser.add_argument("--up-to", type=int, default=20)
    args = parser.parse_args()
    return write(args.folder, args.files) if args.what == "write" else run(args.folder, args.up_to)


if __name__ == "__main__":
    sys.exit(main())
