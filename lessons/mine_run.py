"""The capstone itself, in a process of its own: gradient check, training, the weights of 2014.

``mine.py`` starts it with a request (JSON) and watches it; see there.
"""

import json
import mmap
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minigooglenet.data import shapes10
from minigooglenet.gradcheck import directional
from minigooglenet.kernels.momentum import momentum_step
from minigooglenet.layers import softmax
from minigooglenet.layers.base import Array, Layer

from . import check, limit, mine_photo
from .mine_answers import Answers
from .mine_parts import PARTS, SIZES, WITHOUT, Size, loss_of, network

TEST = 400
MOMENTUM = 0.9

#: With fewer steps than these, a network learns nothing worth a curve.
FEWEST, MOST = 250, 2000


@dataclass
class Training:
    """What happened: the loss of every step, and (step, test accuracy) now and then; processor time."""

    size: Size
    losses: list[float]
    tests: list[tuple[int, float]]
    seconds: float


# -- the parts of a step -----------------------------------------------------------------------------------------------

def images(size: Size, seed: int, train: int = 1600, test: int = TEST) -> tuple[Array, Array, Array, Array]:
    """Shapes-10 with the mean of 2×2 or 4×4 pixels as one pixel, from -1 to 1: (x, labels, x_test, labels_test)."""
    def shrunk(x: Array) -> Array:
        cell = x.shape[1] // size.side
        x = x.reshape(len(x), size.side, cell, size.side, cell, 3).mean(axis=(2, 4), dtype=np.float32)
        return x / np.float32(127.5) - 1

    (x, labels), (x_test, labels_test) = shapes10.draw(train, seed=seed), shapes10.draw(test, seed=seed, split=1)
    return shrunk(x), labels, shrunk(x_test), labels_test


def step(net: Layer, velocity: dict[str, Array], answers: Answers, x: Array, labels: Array, lr: float) -> float:
    """Forward, loss, backward, update. Returns the loss."""
    parameters, gradients = net.parameters(), net.gradients()
    z, cache = net.forward(x, train=True)
    loss, dz = loss_of(answers, z, labels)
    net.zero_grads()
    net.backward(dz, cache)
    for path, w in parameters.items():
        v, gradient = velocity[path], gradients[path]
        found = answers.ask("momentum_step", (w, v, gradient, lr, MOMENTUM), w.shape, w.shape)
        if found is None:
            momentum_step(w, gradient, v, lr, MOMENTUM, 0.0, False)
        else:
            w[...], v[...] = found
    return loss


def at_rest(net: Layer) -> dict[str, Array]:
    """The velocity of every parameter before the first step: 0."""
    return {path: np.zeros_like(w) for path, w in net.parameters().items()}


def batch(answers: Answers, number: int, x: Array, labels: Array, size: Size, seed: int) -> tuple[Array, Array]:
    """The images of a step, half of them mirrored, and their labels."""
    N, B = len(x), size.batch
    chosen = answers.ask("batch_of", (number, N, B, seed), (B,))
    if chosen is not None and not (chosen.dtype.kind in "iu" and 0 <= chosen.min() <= chosen.max() < N):
        answers.lose("batch_of", f"returned something else than indices from 0 to {N - 1}")
        chosen = None
    if chosen is None:
        epoch, at = divmod(number, N // B)
        chosen = np.random.default_rng([seed, epoch]).permutation(N)[at * B:(at + 1) * B]
    flips = np.random.default_rng([seed, 1, number]).random(B) < 0.5
    mirrored = answers.ask("mirror", (x[chosen], flips), x[chosen].shape)
    if mirrored is None:
        mirrored = np.where(flips[:, None, None, None], x[chosen][:, :, ::-1], x[chosen])
    return np.ascontiguousarray(mirrored), labels[chosen]


def accuracy(net: Layer, x: Array, labels: Array) -> float:
    return float(np.mean([net.predict(x[at:at + 50]).argmax(axis=1) == labels[at:at + 50]
                          for at in range(0, len(x), 50)]))


# -- the gradient check ------------------------------------------------------------------------------------------------

def check_gradients(answers: Answers, seed: int, say: Callable[[str], None]) -> bool:
    """The whole network and its loss, in float64. An answer that spoils it is found by leaving it out, and lost."""
    rng, size = np.random.default_rng(seed), SIZES[-1]
    x, labels = rng.standard_normal((3, size.side, size.side, 3)), np.array([1, 4, 9])

    def report() -> Any:
        net = network(size, answers, seed, "float64")
        return directional(net, x, rng=seed, loss=lambda z: loss_of(answers, z, labels))

    found = report()
    if not found.ok:
        say(f"WRONG: {found.where} differs from the finite difference by {found.worst:.0e}. Which answer is it?")
        for name in list(answers.functions):
            with answers.without(name):
                other = report()
            if other.ok:
                answers.lose(name, f"spoils the gradient of {found.where}, although its check passes")
                found = other
                break
    say(f"{'ok' if found.ok else 'WRONG'}: {len(found.arrays)} arrays of the network, largest error {found.worst:.0e} "
        f"(allowed {found.tolerance:.0e})")
    return found.ok


# -- training ----------------------------------------------------------------------------------------------------------

def seconds_per_step(size: Size, answers: Answers, seed: int) -> float:
    """Of processor time, so that other programs do not count. Two steps, of which the first warms up."""
    net = network(size, answers, seed)
    velocity, rng = at_rest(net), np.random.default_rng(seed)
    x, labels = rng.standard_normal((size.batch, size.side, size.side, 3), np.float32), np.arange(size.batch) % 10
    for _ in range(2):
        started = time.process_time()
        step(net, velocity, answers, x, labels, 0.01)
        seconds = time.process_time() - started
    return seconds


def choose_size(answers: Answers, budget: float, seed: int, say: Callable[[str], None]) -> tuple[Size, float]:
    """The largest size of which FEWEST steps fit into the budget, and the seconds of one step. Answers that are too
    slow even for the smallest are lost, the slowest first."""
    while True:
        answers.seconds = dict.fromkeys(answers.functions, 0.0)
        smallest = seconds_per_step(SIZES[-1], answers, seed)
        if smallest * FEWEST < budget or not answers.functions:
            break
        slowest = max(answers.functions, key=lambda name: answers.seconds.get(name, 0))
        answers.lose(slowest, f"is right but slow: {answers.seconds[slowest] / 2:.1f} s of {smallest:.1f} s in each "
                              f"step (a loop over windows is fast enough, one over all indices is not)")
    for size in SIZES[:-1]:
        guess = smallest * (size.side / SIZES[-1].side) ** 2 * size.batch / SIZES[-1].batch  # if loops dominate
        if guess / 8 * FEWEST < budget and (seconds := seconds_per_step(size, answers, seed)) * FEWEST < budget:
            return size, seconds
    return SIZES[-1], smallest


def train(answers: Answers, size: Size, steps: int, seed: int, data: tuple[Array, Array, Array, Array],
          say: Callable[[str], None]) -> tuple[Training, Layer]:
    """Train with momentum and a learning rate that falls to 0; print a row of the curve 20 times."""
    x, labels, x_test, labels_test = data
    net = network(size, answers, seed)
    velocity, done, started = at_rest(net), Training(size, [], [], 0), time.process_time()
    rows = {round(steps * k / 20) for k in range(1, 21)}
    say(f"  {'step':>5}  {'loss':>5}  {'':<31} {'test':>5}")
    for number in range(steps):
        loss = step(net, velocity, answers, *batch(answers, number, x, labels, size, seed), 0.1 * (1 - number / steps))
        if not np.isfinite(loss):
            say(f"  step {number}: the loss is {loss}; the training stops here")
            break
        done.losses.append(loss)
        if number + 1 in rows:
            since = done.tests[-1][0] if done.tests else 0
            some = len(x_test) if number + 1 == steps else 100  # slow answers are slow in tests, too
            done.tests.append((number + 1, accuracy(net, x_test[:some], labels_test[:some])))
            mean = float(np.mean(done.losses[since:]))
            say(f"  {number + 1:>5}  {mean:>5.2f}  {'▇' * min(30, round(12 * mean)):<31} {done.tests[-1][1]:>5.0%}")
    done.seconds = time.process_time() - started
    return done, net


def probabilities(answers: Answers, z: Array) -> Array:
    p = answers.ask("softmax", (z,), z.shape)
    return softmax(z) if p is None else p


# -- inside the process ------------------------------------------------------------------------------------------------

def functions_of(files: dict[str, list[str]]) -> Iterator[tuple[str, Callable, Path]]:
    """(name, function, path) for {path: names}."""
    for path, names in files.items():
        space = check.load_answers(Path(path))
        yield from ((name, space[name], Path(path)) for name in names if callable(space.get(name)))


def say(text: str, stream: Any = sys.stdout) -> None:
    """Print for the learner, also while the output of an answer is being caught."""
    print(text, file=stream, flush=True)


def main(request: dict[str, Any]) -> int:
    """Do what the request asks. Returns the exit code."""
    with open(request["now"], "r+b") as file:
        shared = mmap.mmap(file.fileno(), 0)
    calls = 0

    def note(name: str) -> None:
        nonlocal calls
        calls += 1
        shared[:] = f"{calls} {name}".encode()[:len(shared)].ljust(len(shared))

    limit.forbid_processes()
    limit.WALL = 1e6  # Ctrl-Z and a busy machine take time, too; mine.py stops an answer that waits forever
    found = list(functions_of(request["files"]))
    answers = Answers({name: function for name, function, _ in found}, {name: path for name, _, path in found},
                      lambda text: say(f"  ! {text}"), note)
    seed = request["seed"]

    say("\nGradient check of the whole network")
    size, per_step = choose_size(answers, request["seconds"], seed, say)
    check_gradients(answers, seed, lambda text: say(f"  {text}"))

    epoch = request["images"] // size.batch
    steps = (request["epochs"] or 0) * epoch or int(np.clip(request["seconds"] / per_step, FEWEST, MOST))
    say(f"\nTraining on Shapes-10: {request['images']:,} images of {size.side}×{size.side}, batches of {size.batch}, "
        f"{steps:,} steps ({steps / epoch:.1f} epochs)")
    say(f"  a step takes {1000 * per_step:.0f} ms with your answers, so this takes about {per_step * steps:.0f} s"
        + ("" if size == SIZES[0] else "; smaller than usual, to suit their speed"))
    answers.seconds = dict.fromkeys(answers.functions, 0.0)
    done, net = train(answers, size, steps, seed, images(size, seed, request["images"]), say)
    spent = sorted(((seconds, name) for name, seconds in answers.seconds.items() if seconds), reverse=True)[:3]
    if spent:
        say("  most of the time: " + ", ".join(f"{name} {seconds / done.seconds:.0%}" for seconds, name in spent))
    x, labels = images(size, seed, 10, 12)[2:]
    p = probabilities(answers, net.predict(x))
    yours = [part.answer for part in PARTS if answers.has(part.answer)]
    learned = claim(len(yours))
    say(f"\n{learned} Accuracy {done.tests[-1][1] if done.tests else 0:.0%} on {TEST} new images; chance is 10%.")
    if len(yours) == len(PARTS):
        say(f"(No lesson asks for {WITHOUT}: these were NumPy's.)")

    from .mine_figure import draw
    draw(done, learned, x, labels, p)
    say("")
    mine_photo.run(answers, request["photo"], say)
    Path(request["result"]).write_text(json.dumps({
        "yours": len([part for part in PARTS if answers.has(part.answer)]), "of": len(PARTS),
        "accuracy": done.tests[-1][1] if done.tests else 0.0, "lost": answers.lost}), encoding="utf-8")
    return 0


def claim(yours: int) -> str:
    """What may be said of a network with so many of the learner's parts."""
    if yours == len(PARTS):
        return "Every line that learned this is yours."
    return f"{yours} of the {len(PARTS)} parts that learned this are yours."


if __name__ == "__main__":
    code = main(json.loads(sys.argv[1]))
    sys.stdout.flush()
    os._exit(code)  # whatever threads an answer has started
