"""The same network with and without one of the paper's ideas, trained side by side."""

from typing import NamedTuple

from ..errors import UserError
from .network import build


class Question(NamedTuple):
    """What is asked, and the answers to compare: {name: changes to the Config}."""

    words: str
    variants: dict


QUESTIONS = {
    "heads": Question("auxiliary classifiers after 4a and 4d, in training only (section 5)", {
        "with heads": {"heads": True}, "without heads": {"heads": False}}),
    "gap": Question("how the network ends: average of each map, or 1024 units that see all of them (section 5)", {
        "average pool": {"classifier": "gap"}, "fully connected": {"classifier": "fc"}}),
    "reductions": Question("1×1 reductions before the 3×3 and 5×5: figure 2(b) or 2(a)", {
        "with reductions": {"reduced": True}, "without reductions": {"reduced": False}}),
}


def runs(kind, base, seeds):
    """{folder name: (variant, Config)} for ``seeds`` seeds of each variant of QUESTIONS[kind], counted from base's."""
    if base.model != "mini":
        raise UserError(f"--kind {kind}: compares forms of the reduced GoogLeNet, not {base.model}; leave --model out")
    return {f"{variant.replace(' ', '-')}-seed-{seed}": (variant, base.but(seed=seed, **changes))
            for seed in range(base.seed, base.seed + seeds) for variant, changes in QUESTIONS[kind].variants.items()}


def size(config, classes, input_shape):
    """(parameters, multiply-adds for one picture) of the network in use: heads are thrown away after training."""
    net = build(config.but(heads=False), classes, input_shape)
    return sum(w.size for w in net.parameters().values()), net.macs(tuple(input_shape))
