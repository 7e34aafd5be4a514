"""Ablations: the same network with and without one of the paper's ideas, both trained the same way."""

from typing import NamedTuple

from ..errors import UserError
from ..layers.base import Shape
from .config import Config
from .network import build


class Ablation(NamedTuple):
    """The idea in words, and the variants to compare: {name: changes to the Config}."""

    idea: str
    variants: dict[str, dict]


ABLATIONS = {
    "heads": Ablation("auxiliary classifiers after 4a and 4d, in training only (section 5)", {
        "with heads": {"heads": True}, "without heads": {"heads": False}}),
    "gap": Ablation("how the network ends: global average pooling, or a fully connected layer of 1024 units in its "
                    "place (section 5)", {
        "average pool": {"classifier": "gap", "half": 0.0}, "fully connected": {"classifier": "fc", "half": 0.0}}),
    "reductions": Ablation("1×1 reductions before the 3×3 and 5×5: figure 2(b) or 2(a)", {
        "with reductions": {"reduced": True}, "without reductions": {"reduced": False}}),
}


def runs(kind: str, base: Config, seeds: int) -> dict[str, tuple[str, Config]]:
    """{folder name: (variant, Config)}: each variant of ABLATIONS[kind] with ``seeds`` seeds, from base's seed on."""
    if base.model != "mini":
        raise UserError(f"--kind {kind}: compares variants of the reduced GoogLeNet, not of {base.model}; leave out "
                        "--model")
    return {f"{variant.replace(' ', '-')}-seed-{seed}": (variant, base.but(seed=seed, **changes))
            for seed in range(base.seed, base.seed + seeds) for variant, changes in ABLATIONS[kind].variants.items()}


def size(config: Config, classes: int, input_shape: Shape) -> tuple[int, int]:
    """(parameters, multiply-adds for one image) at inference, that is without the auxiliary classifiers."""
    net = build(config.but(heads=False), classes, input_shape)
    return sum(w.size for w in net.parameters().values()), net.macs(tuple(input_shape))
