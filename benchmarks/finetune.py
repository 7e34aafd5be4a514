"""Few images per class: fine-tuning the weights of 2014 against training from scratch, on CIFAR-10 as PNG files.

    python -m benchmarks.finetune --images 200 --seeds 3 [--test 200] [--datasets datasets] [--place /tmp/table]

For each seed, ``--images`` training and ``--test`` test images of each class, drawn by the seed, are written as PNG
files; then these commands run:

    linear     finetune --data DIR                    features at 224 × 224 pixels, linear classifier
    5a         finetune --data DIR --unfreeze 5a
    scratch    train --data DIR --size 32 --epochs N  the reduced GoogLeNet; N so that it sees 240,000 images, about as
                                                      many as the preset "quick" shows it of CIFAR-10

Prints test accuracy and minutes, mean and standard deviation over the seeds, and one line of JSON. Times include
computing the features, since every seed has images of its own.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from minigooglenet.data import load

SEEN = 240_000      # images that are shown to the network from scratch
WAYS = {"linear": ["finetune"], "5a": ["finetune", "--unfreeze", "5a"], "scratch": ["train", "--size", "32"]}


def write_images(folder: Path, datasets: str, train: int, test: int, seed: int) -> None:
    """PNG files of so many images per class, in folder/train/CLASS and folder/test/CLASS."""
    data, rng = load("cifar10", datasets), np.random.default_rng(seed)
    for part, x, y, number in (("train", data.x_train, data.y_train, train), ("test", data.x_test, data.y_test, test)):
        for k, name in enumerate(data.classes):
            place = folder / part / name
            place.mkdir(parents=True, exist_ok=True)
            for i in rng.permutation(np.flatnonzero(y == k))[:number]:
                Image.fromarray(x[i]).save(place / f"{i}.png")


def measure(way: str, folder: Path, args: argparse.Namespace, seed: int) -> tuple[float, float]:
    """(test accuracy, minutes) of one command, with a cache of its own."""
    cache = args.place / f"{way}-{seed}"
    more = (["--epochs", str(max(1, SEEN // (10 * args.images)))] if way == "scratch" else
            ["--weights", str(Path(args.datasets) / "bvlc_googlenet.caffemodel")])
    command = [sys.executable, "-m", "minigooglenet", *WAYS[way], *more, "--data", str(folder), "--seed", str(seed),
               "--datasets", str(cache), "--out", str(cache / "run"), "--json"]
    started = time.perf_counter()
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output)["test_accuracy"], (time.perf_counter() - started) / 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--test", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--datasets", default="datasets")
    parser.add_argument("--place", type=Path, default=Path("/tmp/finetune-table"))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    args = parser.parse_args()
    rows: dict[str, list[tuple[float, float]]] = {way: [] for way in args.ways}
    for seed in range(args.seeds):
        folder = args.place / f"cifar-{args.images}-{seed}"
        write_images(folder, args.datasets, args.images, args.test, seed)
        for way in args.ways:
            rows[way].append(measure(way, folder, args, seed))
            print(f"seed {seed}  {way:8} {rows[way][-1][0]:6.2%}  {rows[way][-1][1]:5.1f} min", file=sys.stderr)
    print(f"{args.images} training images per class, {args.test} test images per class, {args.seeds} seeds")
    for way, found in rows.items():
        accuracy, minutes = np.array(found).T
        print(f"  {way:8} {accuracy.mean():6.2%} ± {accuracy.std(ddof=min(1, len(accuracy) - 1)):.2%}   "
              f"{minutes.mean():5.1f} min")
    print(json.dumps({"images": args.images, "test": args.test, "rows": rows}))


if __name__ == "__main__":
    main()
