"""The batches of one epoch, in an order that depends only on the seed and the epoch.

Training can be interrupted and resumed at any step because no generator state is carried over: the order of an epoch
is seeded with (seed, epoch), and the augmentation of one batch with (seed, epoch, step). Starting at step ``start``
yields exactly the batches that an uninterrupted epoch yields there.

While the network trains on one batch, a background thread prepares the next.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .mapped import release


def steps_per_epoch(N: int, batch: int) -> int:
    """The number of batches in an epoch of N images. An incomplete last batch is dropped unless it is the only one."""
    return max(N // batch, 1)


def batches(x: np.ndarray, y: np.ndarray, batch: int, epoch: int, seed: int,
            augment: Callable[[np.ndarray, np.random.Generator], np.ndarray] | None = None,
            normalizer: Callable[[np.ndarray], np.ndarray] | None = None, start: int = 0, ahead: int = 2,
            part: slice = slice(None), balanced: bool = False) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield ``(x, y)`` of the steps ``start``, ``start + 1``, ... of an epoch: float32 (B, H, W, C) and int64 (B,).

    x           training images, uint8 (N, H, W, C)
    y           their labels, int64 (N,)
    batch       number of images per step, B
    epoch       number of the epoch, from 0
    seed        seed of order and augmentation, from 0
    augment     random transformation of a batch, ``augment(x, rng)``; see ``data.augment``
    normalizer  conversion of a batch to float32, ``normalizer(x)``; a plain cast by default
    start       first step to yield
    ahead       number of batches to prepare in advance, at most
    part        the part of each batch to yield, for a process that shares the work with others
    balanced    draw with replacement, each class as often as any other: see ``balanced_order``

    An exception in the background thread is raised here. Closing the generator ends the thread.
    """
    rng = np.random.default_rng([seed, epoch])
    order = balanced_order(y, rng) if balanced else rng.permutation(len(y))
    steps = steps_per_epoch(len(y), batch)

    def prepare(step):
        chosen = order[step * batch:(step + 1) * batch]
        picked = x[chosen]
        release(x)
        if augment is not None:
            # step + 1, because default_rng pads its seed with zeros: [seed, epoch, 0] would repeat [seed, epoch].
            picked = augment(picked, np.random.default_rng([seed, epoch, step + 1]))
        picked = picked[part]  # after augmentation: every process draws the same random values
        return (normalizer(picked) if normalizer else picked.astype(np.float32)), y[chosen][part]

    worker = ThreadPoolExecutor(1, thread_name_prefix="batches")
    try:
        waiting = deque(worker.submit(prepare, step) for step in range(start, min(start + ahead, steps)))
        for step in range(start, steps):
            ready = waiting.popleft().result()
            if step + ahead < steps:
                waiting.append(worker.submit(prepare, step + ahead))
            yield ready
    finally:
        worker.shutdown(wait=True, cancel_futures=True)


def balanced_order(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """N indices of the labels y (N,), drawn with replacement: one of the K classes that occur, then one of its images.

        P(i) = 1 / (K n_{y_i})        n_c = the number of images of class c

    An epoch of N draws repeats the images of a small class, and leaves out some of a large one.
    """
    n = np.bincount(y)
    by_class, end = np.argsort(y, kind="stable"), np.cumsum(n)
    c = rng.choice(np.flatnonzero(n), len(y))
    return by_class[end[c] - 1 - (rng.random(len(y)) * n[c]).astype(np.int64)]
