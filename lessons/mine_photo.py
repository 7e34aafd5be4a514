"""The last part of the capstone: conv1 to 3a of the weights of 2014 on a photo, with the learner's answers."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from minigooglenet.hints import hint
from minigooglenet.layers.base import Array, Layer

from . import limit
from .catalog import ROOT
from .helpers import portrait, traffic_light
from .mine_answers import Answers
from .mine_parts import wire

#: The answers that take part, and the layers that are compared.
FORWARD = ("convolve", "one_by_one", "max_pool", "inception")
COMPARED = ("conv1", "pool1", "conv2", "pool2", "3a")

SECONDS, TOLERANCE = 45.0, 1e-4


def run(answers: Answers, photo: str | None, say: Callable[[str], None]) -> bool | None:
    """Compare with the library's values. True if all agree, None if it is skipped; ``say`` tells why."""
    from minigooglenet.data.photos import center_crop, open_photo
    from minigooglenet.inference.classifier import open_weights
    from minigooglenet.weights.fetch import present

    say("conv1 to 3a of the weights of 2014, on a photo")
    used = [name for name in FORWARD if answers.has(name)]
    if not used:
        say(f"  skipped: it needs convolve, or one of {', '.join(FORWARD[1:])}; {hint('check', '2')}")
        return None
    path = present(os.environ.get("MINIGOOGLENET_CAFFE") or ROOT / "datasets")
    if path is None:
        say(f"  skipped: the weights of 2014 are not there (54 MB); {hint('weights')}")
        return None
    classifier = open_weights(path)
    image = open_photo(photo) if photo else portrait()
    crop = center_crop(image) if image is not None else traffic_light()[16:240, 48:272]
    assert classifier.prepare and classifier.net
    x = classifier.prepare(crop[None])
    net = classifier.net.until("3a")  # type: ignore[attr-defined]
    right = _activations(net, x)
    wire(net, answers)
    limit.SECONDS = 4 * SECONDS
    x, right, note = _fitting(net, answers, x, right)
    say(f"  {Path(photo).name if photo else 'a photo of Grace Hopper' if image is not None else 'a drawing'}, "
        f"{x.shape[1]}×{x.shape[2]} pixels, with your {', '.join(used)}{note}")
    started = time.perf_counter()
    found = _activations(net, x)
    agree = True
    for name in COMPARED:
        error = float(np.abs(found[name] - right[name]).max() / np.abs(right[name]).max())
        agree &= error <= TOLERANCE
        shape = "×".join(map(str, right[name].shape[1:]))
        say(f"  {name:<6} {shape:<11} {right[name].size:>8,} values   largest difference {error:.0e} of the largest "
            f"value{'' if error <= TOLERANCE else '   WRONG'}")
    still = [name for name in used if answers.has(name)]
    say(f"  {'agree' if agree else 'THEY DIFFER'}, after {time.perf_counter() - started:.1f} s"
        + (f": your {', '.join(still)} {'runs' if len(still) == 1 else 'run'} the network of 2014." if agree and still
           else "."))
    return agree


def _activations(net: Layer, x: Array) -> dict[str, Array]:
    found = {}
    for name, layer in net.children.items():
        x = found[name] = layer.predict(x)
    return found


def _fitting(net: Layer, answers: Answers, x: Array, right: dict[str, Array]):
    """(x, the right values, a note): the upper left part of the image that takes about SECONDS at most."""
    small, first = x[:, :35, :35], net.children["conv1"]
    started = time.perf_counter()
    first.predict(small)
    rate = first.macs(small.shape[1:]) / (time.perf_counter() - started)
    estimate = net.macs(x.shape[1:]) / rate
    if estimate < SECONDS:
        return x, right, ""
    side = max(40, int(224 * (SECONDS / estimate) ** 0.5) // 8 * 8)
    with answers.without(*answers.functions):
        part = x[:, :side, :side]
        return part, _activations(net, part), f"; all 224×224 would take {estimate / 60:.0f} minutes"
