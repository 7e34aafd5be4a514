"""Settings that depend on the images and on the machine: the batch that fits in memory, the number of epochs."""

import math
import os
from collections.abc import Collection
from pathlib import Path

from .. import engine
from ..data.batches import steps_per_epoch
from ..hints import counted
from ..layers import BatchNorm, Conv, Dropout, Flatten
from ..layers.base import Layer, Shape
from .config import Config
from .network import build

STEPS = 1500         # at least, of training from scratch on a folder of images
MOST_EPOCHS = 100
LEAST_STEPS, LEAST_BATCH = 8, 8  # of an epoch; batch norm's statistics need some images
SHARE = 0.5          # of the free memory that activations may take


def planned(config: Config, given: Collection[str], N: int, classes: int, input_shape: Shape) -> tuple[Config, str]:
    """(config, a line about it or ""): batch, learning rate and epochs for N training images and the free memory.

    Settings in ``given`` stay as they are. The batch is halved until an epoch has LEAST_STEPS steps, if the images are
    a folder (``config.size``), and until the activations fit into half of the free memory. The learning rate is
    proportional to the batch. Epochs: enough for STEPS steps, for a folder, all with images of full size: ``half`` was
    tried on CIFAR-10 only.
    """
    usual, notes = config, []
    net = build(config, classes, input_shape)
    if "batch" not in given:
        batch = config.batch
        while config.size and batch > LEAST_BATCH and N // batch < LEAST_STEPS:
            batch //= 2
        free = free_memory()
        while batch > 1 and batch * activation_bytes(net, input_shape) > SHARE * free:
            batch //= 2
        config = config.but(batch=batch, lr=config.lr if "lr" in given else config.lr * batch / usual.batch)
    if "batch" not in given and (config.size or config.batch < usual.batch):
        memory = min(config.batch, N) * activation_bytes(net, input_shape)
        notes.append(f"batch {config.batch}: about {memory / 1e9:.1f} GB of activations")
    if config.lr != usual.lr:
        notes.append(f"learning rate {config.lr:g}")
    if "half" not in given and config.size:
        config = config.but(half=0.0, epochs=None if "epochs" in given else config.epochs - config.half_epochs)
    if "epochs" not in given and config.size:
        steps = steps_per_epoch(N, config.batch)
        config = config.but(epochs=max(config.epochs, min(MOST_EPOCHS, -(-STEPS // steps))))
        if config.epochs != usual.epochs:
            notes.append(f"{counted(config.epochs, 'epoch')} of {counted(steps, 'step')}")
    return config, "; ".join(notes)


def activation_bytes(net: Layer, input_shape: Shape) -> int:
    """The memory in bytes that one image takes in a training step of ``net``, in float32: a walk over its structure.

    The forward pass keeps, for the backward pass: of a convolution with batch norm z and y = relu(norm(z)), else y; of
    other layers their output; the engine normalizes without a copy. The backward pass adds the gradients of a few
    layers at a time; the largest are those of the first.
    """
    plain, kept, largest = engine.kind() == "plain", 4 * math.prod(input_shape), 0
    for _, layer, before, after in net.trace(input_shape):
        size = math.prod(after)
        bias_only = isinstance(layer, Conv) and "b" in layer.params
        if plain or not (isinstance(layer, BatchNorm | Flatten) or bias_only):
            kept += size * (2 if isinstance(layer, Dropout) else 1)
        largest = max(largest, math.prod(before) + size)
        if plain and isinstance(layer, Conv):  # the column matrix and its gradient
            largest = max(largest, 2 * math.prod(layer.kernel) * layer.C * size // layer.F)
    return 4 * (kept + largest)


def free_memory() -> float:
    """Bytes of memory that this process can still take: of the machine, or of its container; inf if not known."""
    known = [_available(), _of_container()]
    return min((size for size in known if size is not None), default=math.inf)


def _available():
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2  # what is free is not known: half of all
    except (AttributeError, OSError, ValueError):
        return None


def _of_container(folder: Path = Path("/sys/fs/cgroup")):
    """What the limit of a control group (Docker, Slurm) leaves; None without one."""
    try:
        limit = int((folder / "memory.max").read_text())
        used = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return max(0, limit - int(used["anon"]))
    except (OSError, ValueError, KeyError):
        return None
