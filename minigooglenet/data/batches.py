"""One epoch, batch by batch, in an order that depends on nothing but the seed and the number of the epoch.

Training can be killed and resumed at any step because no generator is carried along: the order of an epoch comes from
(seed, epoch) and the augmentation of one batch from (seed, epoch, step). Starting at ``start`` gives the very batches
that an uninterrupted epoch would have given there.

While the network trains on one batch, one background thread prepares the next.
"""

from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np


def steps_per_epoch(N, batch):
    """Number of batches in an epoch of N pictures: the last incomplete one is left out, unless it is the only one."""
    return max(N // batch, 1)


def batches(x, y, batch, epoch, seed, augment=None, normaliser=None, start=0, ahead=2, part=slice(None)):
    """Yield ``(x, y)`` for the steps ``start``, ``start + 1``... of an epoch, float32 (batch, H, W, C), int64 (batch,).

    ``x`` uint8 (N, H, W, C) and ``y`` (N,) are the training set. ``augment(x, rng)`` distorts a batch (see
    ``data.augment``), ``normaliser(x)`` brings it to float32; both default to nothing. ``seed`` and ``epoch`` are
    integers from 0. ``part`` of each batch is all that is yielded, for a
    process that shares the work. At most ``ahead`` batches wait ready. An error in the background appears here, and
    closing the generator ends the thread.
    """
    order = np.random.default_rng([seed, epoch]).permutation(len(y))
    steps = steps_per_epoch(len(y), batch)

    def prepare(step):
        chosen = order[step * batch:(step + 1) * batch]
        picked = x[chosen]
        if augment is not None:
            # step + 1, because default_rng pads its seed with zeros: [seed, epoch, 0] would repeat [seed, epoch].
            picked = augment(picked, np.random.default_rng([seed, epoch, step + 1]))
        picked = picked[part]  # only now, so that every process draws the same distortions
        return (normaliser(picked) if normaliser else picked.astype(np.float32)), y[chosen][part]

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
