"""From a config to a network."""

from ..models import catalogue, mini_googlenet
from ..models.googlenet import LOSS_WEIGHTS
from ..weights.safetensors_io import load_into


def build(config, classes, input_shape, rng=None):
    """The network of ``config`` for pictures of ``input_shape`` and this many classes. ``rng=None``: zero weights."""
    if config.model == "mini":
        return mini_googlenet(config.width, norm=config.norm, classes=classes, heads=config.heads,
                              drop_prob=config.drop_prob, reduced=config.reduced, classifier=config.classifier,
                              input_shape=tuple(input_shape), rng=rng)
    return catalogue.network(config.model, width=config.width, norm=config.norm, classes=classes,
                             input_shape=tuple(input_shape), rng=rng)


def loss_weights(config):
    """The network's own loss, then the heads'."""
    return LOSS_WEIGHTS[:1] + tuple(config.head_weight for _ in LOSS_WEIGHTS[1:])


def restore(checkpoint):
    """The trained network of a Checkpoint, ready to predict."""
    net = build(checkpoint.config, len(checkpoint.classes), checkpoint.input_shape)
    load_into({**net.parameters(), **net.state()}, checkpoint.for_use(), str(checkpoint.path))
    return net
