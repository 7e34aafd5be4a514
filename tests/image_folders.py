"""Small image files for tests: a folder with a subfolder per class."""

import numpy as np
from PIL import Image

from minigooglenet.data.source import load


def pixels(seed, height=9, width=13):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def write(path, seed=None, height=9, width=13, **options):
    """Write an image of noise, which depends on ``seed`` (default: on the path). Returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = [path.as_posix().encode()[i] for i in range(-1, -9, -1)] if seed is None else seed
    Image.fromarray(pixels(seed, height, width)).save(path, **options)
    return path


def photos(root, **counts):
    """``photos(root, cat=3, dog=2)`` writes root/cat/0.png ... Returns root."""
    for label, (name, count) in enumerate(counts.items()):
        for i in range(count):
            write(root / name / f"{i}.png", [label, i])
    return root


def everything(data):
    """{file: its image}"""
    return dict(zip([*data.files_train, *data.files_test], [*data.x_train, *data.x_test], strict=True))


def get(root, **options):
    """The Dataset of a folder, with its cache beside it."""
    return load(root, root.parent, progress=False, **{"size": 16} | options)
