"""The images of a run: found again from its settings, at the size that its network reads."""

import dataclasses
from pathlib import Path

from ..data import Augment, Dataset, image_cache, load
from ..data.crops import SCALES, SIZE
from ..data.source import is_images
from ..errors import UserError
from ..hints import hint
from ..layers.base import Array
from .checkpoint import Checkpoint
from .config import Config


def with_sizes(config: Config, data: str | Path | None, size: int | None = None) -> Config:
    """``config`` for the images of ``data``. For a folder of images ``size`` (default: the config's, else 64), and
    ``stored`` where training takes the paper's random crops. For any other data set ``size`` alone.

    As the paper trains and tests on 224×224 pixels of images with 256, these are kept 256/224 times as large: a random
    crop then has details that enlarging a smaller image would not give it.
    """
    if data is None or not is_images(data):
        return dataclasses.replace(config, size=size)
    size = size or config.size or image_cache.SIZE
    stored = round(size * SCALES[0] / SIZE) if config.augment == "paper" else None
    return dataclasses.replace(config, size=size, stored=stored)


def load_images(config: Config, data: str | Path | None, root: str | Path, progress: bool = True) -> Dataset:
    """The Dataset that ``data`` names (data/source.py), as a run with ``config`` reads it.

    x_test (M, size, size, 3) is what the network reads; x_train is larger if the config has ``stored``. Raises
    UserError as ``load`` does, and for images that do not have this size.
    """
    side = config.stored or config.size
    dataset = load(data, root, progress, size=side, seed=config.split_seed, skip_bad=config.skip_bad)
    check_size(dataset, side)
    if config.stored and config.size:
        return dataclasses.replace(dataset, x_test=center(dataset.x_test, config.size))
    return dataset


def check_size(dataset: Dataset, side: int | None) -> None:
    """Raise UserError if the images have not so many pixels: only image files are decoded to any size."""
    H, W = dataset.x_train.shape[1:3]
    if side and (H, W) != (side, side):
        raise UserError(f"size: {dataset.name} has images of {W}×{H} pixels, not {side}×{side}; leave out --size, or "
                        f"write image files and use their folder: {hint('data', f'export {dataset.name} DIR')}")


def images_of(checkpoint: Checkpoint, data: str | Path | None, root: str | Path, progress: bool = True) -> Dataset:
    """The images that a run was trained on, or those of ``data``, as its network reads them."""
    return load_images(checkpoint.config, data or checkpoint.dataset_source, root, progress)


def augmentation(config: Config) -> Augment:
    """The ``augment`` of a Trainer."""
    return Augment(config.augment, config.size)


def center(x: Array, size: int) -> Array:
    """The central size×size pixels of images (N, H, W, C): a view."""
    top, left = (x.shape[1] - size) // 2, (x.shape[2] - size) // 2
    return x[:, top:top + size, left:left + size]
