"""``python -m benchmarks.answers``: small trainings that answer questions of the paper, with several seeds.

Each question compares two variants that are trained in the same way, or two ways to use the same trained networks. The
answer is the mean difference of accuracy over seeds, with a 95 % confidence interval (Student's t, paired by seed). It
covers the seeds, not the choice of test images, which are the same for all.
"""

import argparse
import dataclasses
import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

import numpy as np

from minigooglenet import engine
from minigooglenet.data import Augment, Dataset, Normalizer, batches, load, steps_per_epoch
from minigooglenet.data.augment import area_crop
from minigooglenet.data.crops import small_crops
from minigooglenet.errors import UserError
from minigooglenet.files import write_atomically
from minigooglenet.flops.tables import Table
from minigooglenet.layers import Array, Layer, softmax
from minigooglenet.layers.init import he
from minigooglenet.models.googlenet import HEADS
from minigooglenet.models.inception import Style
from minigooglenet.models.mini import MODULES, STEM
from minigooglenet.models.rows import build, ending
from minigooglenet.training.average import Average
from minigooglenet.training.losses import weighted_loss
from minigooglenet.training.schedule import one_cycle
from minigooglenet.training.sgd import SGD

CROPS = (1, 10, 144)
BATCH, TESTED, CROPPED = 64, 4000, 500  # images per step; test images; those of them that are cropped


class Variant(NamedTuple):
    """What a training changes. ``heads`` is the number of auxiliary classifiers, the first on 4a; ``crops`` tells
    whether test images are cropped, too."""
    width: float = 0.125
    classifier: str = "gap"
    heads: int = 2
    reduced: bool = True
    norm: str = "batch"
    lr: float = 0.1
    augment: Callable = Augment("mirror")
    crops: bool = False


LRN = Variant(norm="lrn", lr=0.02)
VARIANTS = {
    "base": Variant(crops=True),
    "fc": Variant(classifier="fc"),
    "no heads": Variant(heads=0),
    "one head": Variant(heads=1),
    "reduced": Variant(width=0.25),
    "naive": Variant(width=0.0625, reduced=False),  # as many multiply-adds, see ``macs``
    "scaled": Variant(augment=area_crop, crops=True),  # 8 to 100 % of the area, as in the paper
    "lrn": LRN,
    "lrn, no heads": LRN._replace(heads=0),
}

#: (question, measurement, the one it is compared with). A measurement is "variant/key", see ``measure``.
QUESTIONS = (
    ("global average pooling, not FC", "base/raw", "fc/raw"),
    ("1x1 reductions, at equal MACs", "reduced/raw", "naive/raw"),
    ("two heads, not none", "base/raw", "no heads/raw"),
    ("one head, not none", "one head/raw", "no heads/raw"),
    ("with LRN: two heads, not none", "lrn/raw", "lrn, no heads/raw"),
    ("averaged weights, not the last", "base/averaged", "base/raw"),
    ("10 crops, not 1", "base/10 mean", "base/1 mean"),
    ("144 crops, not 1", "base/144 mean", "base/1 mean"),
    ("trained on scales: 10 crops, not 1", "scaled/10 mean", "scaled/1 mean"),
    ("trained on scales: 144 crops, not 1", "scaled/144 mean", "scaled/1 mean"),
    ("10 crops: maximum, not mean", "base/10 max", "base/10 mean"),
    ("144 crops: maximum, not mean", "base/144 max", "base/144 mean"),
    ("trained on scales, 144: maximum, not mean", "scaled/144 max", "scaled/144 mean"),
)

#: 97.5 % quantile of Student's t for 1, 2, ... degrees of freedom.
STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


def network(variant: Variant, rng: Any = None) -> Layer:
    """The reduced GoogLeNet of this Variant, for CIFAR-10."""
    style = Style(norm=variant.norm, width=variant.width, reduced=variant.reduced, init=he, rng=rng)
    rows = (*STEM, *MODULES, *ending(0.2, variant.classifier))
    return build(rows, style, (32, 32, 3), 10, HEADS[:variant.heads])


def macs(name: str) -> int:
    """Multiply-adds for one image at inference."""
    return network(VARIANTS[name]._replace(heads=0)).macs((32, 32, 3))


def train(variant: Variant, dataset: Dataset, epochs: int, seed: int) -> dict[str, Any]:
    """Train one Variant. Returns what ``measure`` returns."""
    x, y = dataset.x_train, dataset.y_train
    net = network(variant, np.random.default_rng(seed))
    normalizer, compiled = Normalizer.of(x), engine.compile(net, input_gradient=False)
    sgd = SGD(net.parameters(), momentum=0.9, weight_decay=5e-4, nesterov=True)
    average = Average({**net.parameters(), **net.state()}, 0.99)
    step, steps = 0, epochs * steps_per_epoch(len(y), BATCH)
    for epoch in range(epochs):
        for batch, labels in batches(x, y, BATCH, epoch, seed, variant.augment, normalizer):
            logits, cache = compiled.forward(batch, train=True)
            _, loss, dlogits = weighted_loss(logits, labels, (1.0, *[0.3] * variant.heads))
            if not math.isfinite(loss):
                raise UserError(f"{variant}: the loss is {loss} in step {step + 1}")
            net.zero_grads()
            compiled.backward(dlogits, cache)
            step += 1
            sgd.step(net.gradients(), variant.lr * one_cycle(step / (steps + 1), epochs))
            average.update()
    return measure(net, average, dataset, normalizer, CROPS if variant.crops else ())


def measure(net: Layer, average: Average, dataset: Dataset, normalizer: Callable,
            crops: Sequence[int] = CROPS) -> dict[str, Any]:
    """{"accuracy": {key: accuracy}, "p": probabilities (N, K) of "raw"}, where the keys are

        raw, averaged         all test images, with the last and with the averaged weights
        1 mean, 144 max, ...  CROPPED test images, last weights; probabilities averaged over crops, or their maximum
    """
    y, found = dataset.y_test, {}

    def probabilities(images: Array) -> Array:
        images = np.ascontiguousarray(images)
        parts = [images[at:at + 250] for at in range(0, len(images), 250)]
        return np.concatenate([softmax(predictor.predict(normalizer(part))) for part in parts])

    for key in ("averaged", "raw"):
        average.swap()  # the second time, the last weights are back
        predictor = engine.predictor(net)
        p = probabilities(dataset.x_test)
        found[key] = float((p.argmax(axis=1) == y).mean())
    for number in crops:
        total, largest = np.zeros(()), np.zeros(())
        for crop, count in small_crops(dataset.x_test[:CROPPED], number):
            one = probabilities(crop)
            total, largest = total + count * one, np.maximum(largest, one)
        for how, over in (("mean", total), ("max", largest)):
            found[f"{number} {how}"] = float((over.argmax(axis=1) == y[:CROPPED]).mean())
    return {"accuracy": found, "p": p.round(4).tolist()}


def interval(differences: Sequence[float]) -> tuple[float, float]:
    """The mean d̄ of n paired differences, and the half-width t · s / √n of its 95 % confidence interval.

    Infinite for a single difference, and for more than there are quantiles in STUDENT the last of them is used.
    """
    n = len(differences)
    if n < 2:
        return fmean(differences), math.inf
    return fmean(differences), STUDENT[min(n - 2, len(STUDENT) - 1)] * stdev(differences) / math.sqrt(n)


def verdict(mean: float, half: float) -> str:
    """Whether the interval excludes 0."""
    return "within noise" if abs(mean) <= half else "better" if mean > 0 else "worse"


def answers(results: dict[tuple[str, int], dict[str, Any]], seeds: Sequence[int]) -> Table:
    """A row for each question whose variants are in ``results``: both accuracies, the difference in percentage points,
    its interval, the verdict."""
    def of(measurement):
        variant, key = measurement.split("/")
        return [100 * results[variant, seed]["accuracy"][key] for seed in seeds]

    lines = []
    for question, one, other in QUESTIONS:
        if not all((measurement.split("/")[0], seed) in results for measurement in (one, other) for seed in seeds):
            continue
        a, b = of(one), of(other)
        mean, half = interval([x - z for x, z in zip(a, b, strict=True)])
        lines.append([question, f"{fmean(a):.2f} %", f"{fmean(b):.2f} %", f"{mean:+.2f}", f"± {half:.2f}",
                      verdict(mean, half)])
    return Table(("question", "this", "that", "points", "95 %", "verdict"), lines)


def models(results: dict[tuple[str, int], dict[str, Any]], seeds: Sequence[int], y: Array) -> str:
    """The accuracy of the networks "base" averaged, compared with their mean: one ensemble, so no interval."""
    p = [np.array(results["base", seed]["p"]) for seed in seeds]
    one = fmean(float((q.argmax(axis=1) == y).mean()) for q in p)
    return f"{len(p)} networks averaged: {(np.mean(p, axis=0).argmax(axis=1) == y).mean():.2%}; one of them: {one:.2%}"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.answers", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="trainings of each variant (default: 3)")
    parser.add_argument("--epochs", type=int, default=2, metavar="N", help="(default: 2)")
    parser.add_argument("--images", type=int, default=5000, metavar="N", help="training images (default: 5000)")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="NAME",
                        help=f"only these, and the questions they answer; of {', '.join(VARIANTS)}")
    parser.add_argument("--data", default=None, help="as for train (default: CIFAR-10, else Shapes-10)")
    parser.add_argument("--out", type=Path, default=Path("runs/answers"), metavar="DIR",
                        help="results are stored here, and not computed again (default: runs/answers)")
    args = parser.parse_args(argv)
    dataset = load(args.data)
    dataset = dataclasses.replace(dataset, x_train=dataset.x_train[:args.images], y_train=dataset.y_train[:args.images],
                                  x_test=dataset.x_test[:TESTED], y_test=dataset.y_test[:TESTED])
    results = {}
    for seed in range(args.seeds):
        for name in args.variants:
            variant = VARIANTS[name]
            path = args.out / f"{dataset.name}-{args.images}-{args.epochs}-{name.replace(' ', '-')}-{seed}.json"
            if not path.exists():
                result = train(variant, dataset, args.epochs, seed)
                write_atomically(path, lambda file, result=result: json.dump(result, file), "w")
                print(f"{name}, seed {seed}: {result['accuracy']['raw']:.2%}", file=sys.stderr, flush=True)
            results[name, seed] = json.loads(path.read_text(encoding="utf-8"))
    seeds = range(args.seeds)
    print(f"{dataset.name}: {args.seeds} seeds, {args.epochs} epochs of {len(dataset.y_train):,} images, "
          f"{len(dataset.y_test):,} test images ({CROPPED:,} of them for crops)\n")
    print(answers(results, seeds).text())
    if "base" in args.variants:
        print(f"\n{models(results, seeds, dataset.y_test)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
