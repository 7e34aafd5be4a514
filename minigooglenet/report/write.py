"""Computes a report and writes its files: index.html, report.json, predictions.npz."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..data.dataset import Dataset
from ..errors import UserError
from ..figures import data_uri
from ..figures.heatmaps import blended
from ..files import check_writable, write_atomically
from ..layers.base import Array, Layer
from ..training.checkpoint import Checkpoint
from ..training.images import center
from .evidence import Searched, maps
from .facts import cases, facts, mistakes, suspects
from .page import GENERATOR, page
from .parts import Images

PAGE, VALUES, PREDICTIONS = "index.html", "report.json", "predictions.npz"
SIDE = 128          # pixels: smaller images are enlarged to at least this, for the maps over them
THUMB = 96          # pixels of a nearest training image


def check_folder(folder: Path) -> None:
    """Raise UserError unless a report can be written to ``folder``, without replacing a page that is none."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: a file, needs a folder for the report; choose another name")
    check_writable(folder / PAGE)
    if (folder / PAGE).exists() and GENERATOR.encode() not in (folder / PAGE).read_bytes()[:1000]:
        raise UserError(f"{folder / PAGE}: a page that is not a report; choose another folder")


def write_report(folder: Path, checkpoint: Checkpoint, net: Layer, dataset: Dataset, p: Array, views: int,
                 cache: Path, on_images: Callable[[int], object] | None = None) -> dict[str, Any]:
    """Write the report to ``folder`` and return what report.json has.

    checkpoint, net   a run and its network
    dataset           the images, test and training
    p, views          probabilities (N, K) of the test images, and over how many views they are averaged
    cache             the folder of fine-tuning's feature caches
    on_images         is called with the number of training images whose features have been computed
    """
    y, tuned = dataset.y_test, checkpoint.progress.get("finetune")
    searched = Searched(net, checkpoint.normalizer, dataset, cache if tuned else None, on_images)
    found = {"run": str(checkpoint.path.parent), "dataset": dataset.name, "note": dataset.note, "views": views,
             "model": checkpoint.config.model, "input": checkpoint.input_shape[0]} | facts(p, y, dataset.classes)
    wrong = mistakes(p, y)
    found["mistakes"] = cases(p, y, wrong, p[wrong].argmax(axis=1), dataset.files_test)
    found["suspects"] = {"test": suspects(p, y, dataset.files_test), "training": _in_training(searched, dataset, tuned)}
    images: dict[str, list[Images]] = {"mistakes": _images(found["mistakes"], dataset.x_test, searched, dataset)}
    for part, x in (("test", dataset.x_test), ("training", dataset.x_train)):
        group = [] if isinstance(found["suspects"][part], str) else found["suspects"][part]["shown"]
        images[part] = _images(group, x, searched, dataset, but_itself=part == "training")
    _add_maps(images["mistakes"], found["mistakes"], net, checkpoint, dataset)
    text = page(found, images)
    write_atomically(folder / PREDICTIONS, lambda file: np.savez_compressed(file, p=p, y=y))
    write_atomically(folder / VALUES, lambda file: file.write(json.dumps(found)), mode="w")
    write_atomically(folder / PAGE, lambda file: file.write(text.encode()))
    return found


def _in_training(searched, dataset, tuned):
    """The suspects among the training images, or why there are none."""
    if not len(dataset.y_train):
        return "Not computed, because the training images were not found."
    if not tuned or tuned["unfreeze"]:
        return ("Not computed, because this network was trained on these labels, and may have memorized wrong ones. "
                "It is computed for runs of finetune without --unfreeze, whose features do not depend on the labels.")
    p = searched.out_of_sample(dataset.y_train, len(dataset.classes), tuned["C"])
    if p is None:
        return "Not computed, because a class has a single training image."
    files = [dataset.files_train[i] for i in searched.numbers] if dataset.files_train else None
    found = suspects(p, dataset.y_train[searched.numbers], files)
    for case in found["shown"]:
        case["image"] = int(searched.numbers[case["image"]])
    return found


def _images(group, x, searched, dataset, but_itself=False):
    """The Images of cases, without maps. Adds ``nearest`` to the cases."""
    if not group:
        return []
    numbers = np.array([case["image"] for case in group])
    near = searched.nearest(x[numbers], but=numbers if but_itself else None)
    for case, rows in zip(group, near, strict=True):
        case["nearest"] = [{"image": i, "file": dataset.files_train[i] if dataset.files_train else None,
                            "label": int(dataset.y_train[i]), "similarity": s} for i, s in rows]
    size = dataset.x_test.shape[1]
    return [Images(data_uri.photo(np.ascontiguousarray(center(x[case["image"]][None], size)[0])),
                   [data_uri.photo(np.asarray(dataset.x_train[row["image"]]), THUMB) for row in case["nearest"]])
            for case in group]


def _add_maps(images, group, net, checkpoint, dataset):
    """The evidence for the predicted class and for the label, drawn over each image."""
    if not group:
        return
    x = np.ascontiguousarray(dataset.x_test[[case["image"] for case in group]])
    times = -(-SIDE // x.shape[1])
    large = x.repeat(times, axis=1).repeat(times, axis=2)
    for what in ("predicted", "label"):
        found = maps(net, checkpoint.normalizer(x), [case[what] for case in group], large.shape[1:3])
        for case, shown, image, m in zip(group, images, large, found, strict=True):
            pixels = (255 * blended(image, m)).round().astype(np.uint8)
            shown.maps.append((dataset.classes[case[what]], data_uri.photo(pixels)))
