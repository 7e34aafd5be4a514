"""What ``finetune`` starts from: a trained network and the settings of a new run, or a run to continue."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import UserError
from ..hints import hint

if TYPE_CHECKING:
    from ..training.checkpoint import Checkpoint
    from ..training.config import Config
    from ..training.finetune import Base


class Start(NamedTuple):
    """The network or the run, the settings, the images, and the first layer to train."""

    origin: Base | Checkpoint
    config: Config
    data: str
    unfreeze: str | None


#: Of a new run, whatever the settings of the network's own training were.
USUAL: dict[str, Any] = {
    "heads": False, "average": 0.0, "label_smoothing": 0.0, "momentum": 0.9, "nesterov": True, "weight_decay": 2e-4,
    "schedule": "cosine", "half": 0.0, "whiten": False, "beta_lr": 1.0, "sampling_seed": None, "skip_bad": False,
    "augment": "mirror", "epochs": 8, "batch": 32, "lr": 0.003, "balance": "none", "seed": 0, "split_seed": 0}
OPTIONS = "epochs", "batch", "lr", "balance", "seed", "split_seed"


def new(args: argparse.Namespace) -> Start:
    """A new run. Its test images are those of the network's own training, if that was on the same folder: any other
    ``split_seed`` would test it on images that it has been trained on."""
    if args.data is None:
        raise UserError("--data is missing; name the folder of your images, which has a folder for each class")
    base = _base(args)
    kept = {} if base.split_seed is None else {"split_seed": base.split_seed}
    settings = USUAL | kept | given(args) | {"size": base.size}
    return Start(base, dataclasses.replace(base.config, **settings), args.data, args.unfreeze)


def continued(args: argparse.Namespace, folder: Path) -> Start | None:
    """The run in ``folder``; None if there is none. Raises UserError for options that differ from its settings."""
    from ..training import checkpoint as checkpoints
    from ..training.network import load_to_resume
    from ..weights.fetch import named

    if not (folder / checkpoints.NAME).exists():
        return None
    if not args.resume:
        raise UserError(f"{folder}: already holds a run; continue it with --resume, or choose another --out")
    checkpoint = load_to_resume(folder)
    if "finetune" not in checkpoint.progress:
        raise UserError(f"{folder}: a run of train; continue it with: {hint('train', f'--resume --out {folder}')}")
    facts, data = checkpoint.progress["finetune"], args.data or checkpoint.dataset_source
    config = checkpoint.config.but(**given(args))
    checkpoint.check_config(config)
    if args.unfreeze not in (None, facts["unfreeze"]):
        more = shlex.join(["--data", data, "--weights", str(folder), "--unfreeze", args.unfreeze])
        raise UserError(f"{checkpoint.path}: the run has unfreeze {facts['unfreeze']}, not {args.unfreeze}; a resumed "
                        f"run keeps its settings; start another from its weights with: {hint('finetune', more)}")
    if args.weights and named(args.weights, args.datasets).resolve() != Path(facts["base"]).resolve():
        raise UserError(f"{checkpoint.path}: the run started from {facts['base']}, not from {args.weights}; leave out "
                        "--weights, or start another run")
    return Start(checkpoint, config, data, facts["unfreeze"])


def given(args: argparse.Namespace) -> dict[str, Any]:
    """{field: value} of the Config from the options that were given."""
    values = {name: getattr(args, name) for name in OPTIONS} | {
        "augment": "none" if args.no_mirror else None, "skip_bad": args.skip_bad or None}
    return {name: value for name, value in values.items() if value is not None}


def _base(args: argparse.Namespace) -> Base:
    """The trained network of --weights."""
    from ..data.dataset import Normalizer
    from ..inference.classifier import open_weights
    from ..interpret.structure import trunk_of
    from ..training.finetune import Base
    from ..weights.fetch import named

    path = named(args.weights or "2014", args.datasets)
    classifier = open_weights(path)
    if classifier.net is None or classifier.config is None or not isinstance(classifier.prepare, Normalizer):
        raise UserError(f"{path}: several networks; name one of its runs, such as {path}/model-1")
    net = trunk_of(classifier.net)
    split_seed = classifier.config.split_seed if _divided(args.data, classifier.source) else None
    return Base(str(path), classifier.config, classifier.size, net.parameters() | net.state(), classifier.prepare,
                split_seed)


def _divided(data, source):
    """Whether ``data`` is the folder ``source`` of images, and a seed divides them into training and test images."""
    from ..data.image_folder import scan
    from ..data.source import is_images

    return source is not None and is_images(data) and Path(data).resolve() == Path(source) and scan(data).test is None
