"""The images of a run: found again from its settings, at the size that its network reads."""

import contextlib
import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from ..data import Augment, Dataset, cifar, image_cache, load, shapes10
from ..data.crops import SCALES, SIZE
from ..data.mapped import digests
from ..data.source import is_images
from ..errors import UserError
from ..hints import hint
from ..layers.base import Array
from .checkpoint import Checkpoint, fingerprint
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


def load_images(config: Config, data: str | Path | None, root: str | Path, progress: bool = True,
                classes: Sequence[str] | None = None) -> Dataset:
    """The Dataset that ``data`` names (data/source.py), as a run with ``config`` reads it. ``classes`` as for ``load``.

    x_test (M, size, size, 3) is what the network reads; x_train is larger if the config has ``stored``. Raises
    UserError as ``load`` does, and for images that do not have this size.
    """
    side = config.stored or config.size
    dataset = load(data, root, progress, size=side, seed=config.split_seed, skip_bad=config.skip_bad,
                   classes=classes)
    check_size(dataset, side)
    if config.stored and config.size:
        return dataclasses.replace(dataset, x_test=center(dataset.x_test, config.size))
    return dataset


def check_size(dataset: Dataset, side: int | None) -> None:
    """Raise UserError if the images have not so many pixels: only image files are decoded to any size."""
    H, W = dataset.x_train.shape[1:3]
    if side and (H, W) != (side, side):
        raise UserError(f"size: {dataset.name} has images of {W}×{H} pixels, not {side}×{side}, and only image files "
                        f"are resized; keep {W}×{H}, or write image files and use their folder: "
                        f"{hint('data', f'export {dataset.name} DIR')}")


def source_of(dataset: Dataset, data: str | None, root: str) -> str:
    """The absolute path of the images that ``load_images`` found, so that their run can be resumed or evaluated from
    any folder."""
    folders = {kind.name: kind.folder for kind in cifar.KINDS} | {"shapes10": shapes10.FOLDER}
    if data is None or data in folders:
        data = str(Path(root) / folders[dataset.name])
    return str(Path(data).resolve())


def images_of(checkpoint: Checkpoint, data: str | Path | None, root: str | Path, progress: bool = True) -> Dataset:
    """The images that a run was trained on, or those of ``data``, as its network reads them.

    The run's own images are split as in training, also if their folder was moved. The note says if they have changed.
    In any other folder of images all are test images, or those of its test folder if there is one. The training images
    are then the run's if they are in the cache, else none; the note says how many test images are among them.
    """
    config, own = checkpoint.config, checkpoint.dataset_source
    if data is None or _same(data, own):
        dataset = load_images(config, data or own, root, progress)
        if checkpoint.progress.get("fingerprint") in (None, fingerprint(dataset)):
            return dataset
        return dataset.noted("the images have changed since the run was started: it may have been trained on some of "
                             "the test images")
    if not is_images(data):
        return load_images(config, data, root, progress)
    if config.size and not os.path.isdir(own) and (moved := _moved(checkpoint, data, root, progress)):
        return moved
    dataset = load_images(config.but(size=config.size or checkpoint.input_shape[0]), data, root, progress,
                          checkpoint.classes)
    return _with_training(dataset, checkpoint, root)


def _same(one, other):
    """Whether two names of data sets are the same: of one folder, or equal."""
    return str(one) == other or os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other)


def _moved(checkpoint, data, root, progress):
    """The run's own images, if that is what ``data`` has now; else None."""
    with contextlib.suppress(UserError):
        dataset = load_images(checkpoint.config, data, root, progress)
        if fingerprint(dataset) == checkpoint.progress.get("fingerprint"):
            return dataset
    return None


def tested_with(first: Checkpoint, run: Checkpoint, dataset: Dataset, root: str | Path) -> Dataset:
    """``dataset``, the ``images_of`` the run ``first``, for testing another ``run`` as well: if its images or their
    split are others, the note says on how many of these test images it was trained."""
    own = run.progress.get("fingerprint")
    if own in (None, first.progress.get("fingerprint")):
        return dataset
    name, mine = run.path.parent, _in_cache(run, root)
    if mine is None or own != fingerprint(mine):
        return dataset.noted(f"{name} was trained on other images or another split: it may have been trained on some "
                             "of these test images")
    known = _common(mine, run.config.size, dataset)
    return dataset.noted(f"{name} was trained on {known:,} of these test images") if known else dataset


def _with_training(dataset, checkpoint, root):
    """``dataset`` with the training images of the run, if these are in the cache."""
    mine = _in_cache(checkpoint, root)
    if mine is None or mine.classes != dataset.classes:
        return dataset
    known = _common(mine, checkpoint.config.size, dataset)
    dataset = dataclasses.replace(dataset, x_train=mine.x_train, y_train=mine.y_train, files_train=mine.files_train)
    return dataset.noted(f"the run was trained on {known:,} of these images") if known else dataset


def _in_cache(checkpoint, root):
    """The run's own images, if they are in the cache; else None."""
    config, own = checkpoint.config, checkpoint.dataset_source
    side = config.stored or config.size
    if not side or not (image_cache.location(own, side, config.split_seed, Path(root) / ".cache")
                        / image_cache.INDEX).exists():
        return None
    with contextlib.suppress(UserError):                        # they have changed
        return load_images(config, own, root, progress=False)
    return None


def _common(mine, size, dataset):
    """How many test images of ``dataset`` are training images of ``mine``, which are read at this ``size``."""
    learned = set(digests(center(mine.x_train, size)))
    return sum(digest in learned for digest in digests(dataset.x_test))


def augmentation(config: Config) -> Augment:
    """The ``augment`` of a Trainer."""
    return Augment(config.augment, config.size)


def center(x: Array, size: int) -> Array:
    """The central size×size pixels of images (N, H, W, C): a view."""
    top, left = (x.shape[1] - size) // 2, (x.shape[2] - size) // 2
    return x[:, top:top + size, left:left + size]
