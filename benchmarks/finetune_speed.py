"""Images per second of the three parts of fine-tuning GoogLeNet, beside PyTorch, alternating in one process.

    python -m benchmarks.finetune_speed PHOTOS [--rounds 5] [--threads 2]

    decode      the JPEG files in PHOTOS to 256×256 pixels, bicubic; PyTorch: a DataLoader with a worker per thread and
                Pillow
    features    the layers below the classifier for 32 images of 224×224 pixels, without gradients
    tune        a training step of the layers from 5a on, with 32 images

Networks have random weights, the same on both sides. Prints the median of the rounds and the ratio. Needs the extra
``compare``. The agreement of features is tested in tests/test_finetune.py.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from minigooglenet import engine
from minigooglenet.data.image_decode import in_order, square
from minigooglenet.kernels.threads import blas_on_one_thread, pinned_cores, set_threads
from minigooglenet.layers import Sequential, cross_entropy
from minigooglenet.layers.base import Layer
from minigooglenet.models import googlenet
from minigooglenet.training.sgd import SGD

from .torch_model import Builder

BATCH, STORED = 32, 256


class Files(Dataset):
    """Photos as a PyTorch data set: the shorter side resized to 256 pixels, the center cut."""

    def __init__(self, files: list[Path]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int) -> torch.Tensor:
        image = Image.open(self.files[i]).convert("RGB")
        scale = STORED / min(image.size)
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
        left, top = (image.width - STORED) // 2, (image.height - STORED) // 2
        return torch.from_numpy(np.array(image.crop((left, top, left + STORED, top + STORED))))


def part(net: Layer, start: str | None, stop: str | None) -> Sequential:
    """The layers from ``start`` up to, and without, ``stop``."""
    names = list(net.children)
    first, last = (names.index(name) if name else None for name in (start, stop))
    return Sequential(dict(list(net.children.items())[first:last]))


def tasks(photos: Path, threads: int) -> Iterator[tuple[str, int, Callable[[], Any], Callable[[], Any]]]:
    """(name, images, our function, PyTorch's)"""
    rng = np.random.default_rng(0)
    files = sorted(path for path in photos.iterdir() if path.suffix.lower() in (".jpg", ".jpeg"))
    loader = DataLoader(Files(files), BATCH, num_workers=threads, persistent_workers=True)
    yield ("decode", len(files), lambda: list(in_order(lambda f: square(f.parent, f.name, "", STORED), files)),
           lambda: list(loader))

    net = googlenet("bvlc", classes=10, heads=False, rng=rng)
    body, tail = part(net, None, "linear"), part(net, "5a", None)
    x = rng.normal(size=(BATCH, 224, 224, 3)).astype(np.float32)
    predictor, theirs = engine.predictor(body), Builder().build(body, x.shape[1:]).eval()
    theirs = theirs.to(memory_format=torch.channels_last)
    images = torch.from_numpy(x).permute(0, 3, 1, 2)

    def torch_features() -> None:
        with torch.inference_mode():
            theirs(images)

    yield "features", BATCH, lambda: predictor.predict(x), torch_features

    shape = part(net, None, "5a").output_shape(x.shape[1:])
    a, y = np.abs(rng.normal(size=(BATCH, *shape))).astype(np.float32), rng.integers(0, 10, BATCH)
    compiled, sgd = engine.compile(tail, input_gradient=False), SGD(tail.parameters(), 0.9, 2e-4, True)
    model = Builder().build(tail, shape).train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-5, momentum=0.9, weight_decay=2e-4, nesterov=True)
    b, labels = torch.from_numpy(a).permute(0, 3, 1, 2), torch.from_numpy(y)

    @pinned_cores()
    @blas_on_one_thread()
    def step() -> None:
        z, cache = compiled.forward(a, train=True)
        _, dz = cross_entropy(z, y)
        tail.zero_grads()
        compiled.backward(dz, cache)
        sgd.step(tail.gradients(), 1e-5)

    def torch_step() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(b), labels).backward()
        optimizer.step()

    yield "tune", BATCH, step, torch_step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, metavar="PHOTOS")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    set_threads(args.threads)
    torch.set_num_threads(args.threads)
    for name, images, ours, theirs in tasks(args.photos, args.threads):
        seconds: tuple[list[float], list[float]] = ([], [])
        for number in range(args.rounds + 1):
            for run, found in zip((ours, theirs), seconds, strict=True):
                started = time.perf_counter()
                run()
                if number:  # the first round warms up
                    found.append(time.perf_counter() - started)
                time.sleep(0.2)  # idle threads of the other side stop spinning
        mine, other = (images / np.median(found) for found in seconds)
        ratios = np.sort(np.array(seconds[1]) / np.array(seconds[0]))
        print(f"{name:9} {mine:7.1f} images/s, PyTorch {other:7.1f}: {mine / other:.2f} times as fast "
              f"({ratios[0]:.2f} to {ratios[-1]:.2f} in single rounds)", flush=True)


if __name__ == "__main__":
    main()
