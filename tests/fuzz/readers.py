"""The readers of the package, each as a function of a folder with its input."""

import contextlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minigooglenet.data import cifar, image_cache, load
from minigooglenet.data.dataset import Normalizer
from minigooglenet.data.ground_truth import read_ground_truth
from minigooglenet.data.labels import read_labels
from minigooglenet.data.photos import open_photo
from minigooglenet.data.plain_pickle import plain_values
from minigooglenet.errors import UserError
from minigooglenet.inference import counting
from minigooglenet.inference.classifier import open_weights
from minigooglenet.layers import Dense, Flatten, Sequential
from minigooglenet.training import runs, steps
from minigooglenet.training.feature_cache import FeatureCache
from minigooglenet.training.network import load_to_resume
from minigooglenet.training.report import write_log
from minigooglenet.training.trainer import Trainer
from minigooglenet.weights.caffemodel import caffe_parameters
from minigooglenet.weights.convert import convert
from minigooglenet.weights.fetch_labels import fetch_labels

from . import seeds, seeds_images
from .seeds import Seed

IMAGE = np.random.default_rng(1).integers(0, 256, (48, 40, 3), np.uint8)


def _caffemodel(folder):
    caffe_parameters(folder / "net.caffemodel")
    _weights(folder / "net.caffemodel")


def _converted(folder):
    convert(folder / "net.safetensors", folder / "out.safetensors")
    _weights(folder / "net.safetensors")


def _weights(path):
    """Open as predict does. The seeds are smaller than GoogLeNet, so they are refused here for their shapes."""
    try:
        open_weights(path)
    except UserError as error:
        if "\n" in str(error):
            raise


def _run(folder):
    _classify(open_weights(folder))
    counting.count(folder)


def _onnx(folder):
    _classify(open_weights(folder / "net.onnx"))


def _classify(classifier):
    found = classifier.classify(IMAGE, top=1000)
    p = [probability for _, probability in found]
    assert np.isfinite(p).all() and abs(sum(p) - 1) < 1e-3, "probabilities that are none"


def _flops(folder):
    count = counting.count(folder / "net.onnx")
    assert count.params >= 0 and count.macs >= 0, "negative counts"
    count.table(), count.not_counted(), count.blocks


def _runs(folder):
    found = runs.read(folder)
    runs.differences([found, found])


def _resume(folder):
    """``train --resume``, with two more steps."""
    found = load_to_resume(folder)
    trainer = Trainer(found.config, seeds.dataset(), folder)
    trainer.restore(found)
    log = steps.StepLog(trainer)
    if trainer.history:
        write_log(trainer)
    last = trainer.step + 2
    trainer.run(lambda trainer, loss: log.add(trainer) if loss is not None else write_log(trainer),
                stop=lambda: trainer.step >= last)


def _steps(folder):
    for row in steps.read_steps(folder / "steps.csv"):
        assert isinstance(row["step"], int) and row["images_per_second"] > 0


def _photo(folder):
    image = open_photo(folder / "photo")
    assert image.mode == "RGB" and min(image.size) > 0


def _folder(folder):
    found = load(folder / "photos", folder, progress=False, size=seeds_images.SIDE)
    assert found.x_train.shape[1:] == (seeds_images.SIDE, seeds_images.SIDE, 3)
    assert max(found.y_train) < len(found.classes)


def _index(folder):
    """The cache of decoded images, where ``load`` finds it."""
    place = image_cache.location(folder / "photos", seeds_images.SIDE, 0, folder / ".cache")
    place.mkdir(parents=True)
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (0, 0))
            if path.parent == folder:
                path.rename(place / path.name)
    _folder(folder)


def _features(folder):
    """The cache of activations, of a network that flattens and multiplies by zero."""
    net = Sequential({"flat": Flatten(), "linear": Dense(3 * 4 * 3, seeds_images.FEATURES)})
    cache = FeatureCache(folder, net, Normalizer(np.zeros(3), np.ones(3)), (3, 4, 3))
    cache.folder.mkdir()
    for name in ("keys", "rows"):
        (folder / name).rename(cache.folder / name)
    found = cache.find(np.arange(72, dtype=np.uint8).reshape(2, 3, 4, 3))
    assert not cache.rows()[found].any(), "other activations than those that were computed"


def _archive(folder):
    kinds = tuple(map(seeds.little, cifar.KINDS))
    kind = cifar.recognized(folder / "archive", kinds)[0]
    cifar.read(kind, cifar.fetch(kind, folder, from_file=folder / "archive"))


def _records(folder):
    place, = folder.iterdir()
    cifar.read(next(seeds.little(kind) for kind in cifar.KINDS if kind.folder == place.name), place)


def _pickle(folder):
    plain_values((folder / "batch").read_bytes(), folder / "batch")


def _labels(folder):
    count = 10 if (folder / "labels").stat().st_size < 2000 else 1000
    names = read_labels(folder / "labels", count)
    assert len(names) == count and all(name and name.isprintable() for name in names)


def _words(folder):
    fetch_labels(folder / "out", folder / "labels", ())


def _truth(folder):
    files, y = read_ground_truth(folder, folder / "truth")
    assert len(files) == len(y) > 0


def _progress(folder):
    os.environ["MINIGOOGLENET_PROGRESS"] = str(folder / "progress.json")
    from lessons import progress
    with contextlib.redirect_stderr(io.StringIO()) as said:
        progress.load()
    if said.getvalue():
        raise UserError(said.getvalue().removesuffix("\n"))


class Reader(NamedTuple):
    """Its valid inputs, the function, and how many inputs it gets, compared with the others."""

    seeds: Callable[[], list[Seed]]
    read: Callable[[Path], object]
    share: float = 1


READERS = {
    "caffemodel": Reader(seeds.caffemodels, _caffemodel),
    "safetensors": Reader(seeds.converted, _converted),
    "run": Reader(seeds.runs, _run),
    "resume": Reader(seeds.runs, _resume, 0.1),      # it trains
    "runs": Reader(seeds.runs, _runs),
    "steps": Reader(seeds.steps, _steps),
    "onnx": Reader(seeds.graphs, _onnx),
    "flops": Reader(seeds.graphs, _flops),
    "photo": Reader(seeds_images.photos, _photo),
    "folder": Reader(seeds_images.folders, _folder),
    "names": Reader(seeds_images.names, _folder),
    "index": Reader(seeds_images.indexes, _index),
    "features": Reader(seeds_images.features, _features),
    "archive": Reader(seeds.archives, _archive),
    "pickle": Reader(seeds.pickles, _pickle),
    "records": Reader(seeds.records, _records),
    "labels": Reader(seeds.labels, _labels),
    "words": Reader(seeds.words, _words),
    "truth": Reader(seeds.truth, _truth),
    "progress": Reader(seeds.progress, _progress),
}
