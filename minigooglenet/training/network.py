"""Building the network of a config or of a checkpoint."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import DTypeLike

from ..layers.base import Array, Layer, Shape
from ..layers.batchnorm import itself
from ..layers.init import he
from ..models import catalog
from ..models.googlenet import LOSS_WEIGHTS
from ..models.mini import INPUT
from ..weights.loading import build_and_load, check_shapes
from .checkpoint import Checkpoint, load
from .config import Config


def build(config: Config, classes: int, input_shape: Shape, rng: Any = None,
          all_reduce: Callable[[Array], Array] = itself, dtype: DTypeLike = "float32") -> Layer:
    """The network of ``config`` for images of ``input_shape`` (H, W, C) and this many classes.

    rng: the generator of initial weights and dropout, such as a ``np.random.Generator``; None leaves all weights zero.
    all_reduce: sums an array over all processes, for batch norm's statistics.
    """
    options = {"width": config.width, "norm": config.norm, "classes": classes, "input_shape": tuple(input_shape),
               "rng": rng, "all_reduce": all_reduce, "dtype": dtype}
    match config.model:
        case "mini":
            options |= {"heads": config.heads, "drop_prob": config.drop_prob, "reduced": config.reduced,
                        "classifier": config.classifier, "size": config.size or INPUT[0]}
        case "googlenet" | "googlenet-torchvision":
            # He's initialization: with Caffe's, images of unit variance hardly reach the classifier.
            options |= {"heads": config.heads, "drop_prob": config.drop_prob, "init": he}
    return catalog.network(config.model, **options)


def loss_weights(config: Config) -> tuple[float, ...]:
    """The weights of the losses: the main classifier's, then the auxiliary classifiers'."""
    return LOSS_WEIGHTS[:1] + tuple(config.head_weight for _ in LOSS_WEIGHTS[1:])


def restore(checkpoint: Checkpoint) -> Layer:
    """The trained network of a Checkpoint, for inference."""
    return build_and_load(_builder(checkpoint), checkpoint.inference_arrays(), str(checkpoint.path))


def load_to_resume(path: Path | str) -> Checkpoint:
    """The Checkpoint of ``checkpoint.load``, whose weights are those of the network that its settings describe.

    Call it before the network is built: a small file may describe a network of many GB. Raises UserError.
    """
    found = load(path)
    check_shapes(_builder(found), found.group("weights") | found.group("state"), str(found.path))
    return found


def _builder(checkpoint):
    return lambda dtype: build(checkpoint.config, len(checkpoint.classes), checkpoint.input_shape, dtype=dtype)
