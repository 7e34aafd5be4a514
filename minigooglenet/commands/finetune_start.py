"""What ``finetune`` starts from: a trained network with the settings of a new run, or a run to continue."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from ..hints import hint

if TYPE_CHECKING:
    from ..training.checkpoint import Checkpoint
    from ..training.config import Config
    from ..training.finetune import Base

USUAL: dict[str, Any] = {"heads": False, "average": 0.0, "label_smoothing": 0.0, "momentum": 0.9, "nesterov": True,
                         "weight_decay": 2e-4, "schedule": "cosine"}
OPTIONS = ("epochs", "batch", "lr", "seed", "split_seed", "balance")


def checkpoint_of(args: argparse.Namespace, folder: Path) -> Checkpoint | None:
    """The checkpoint to continue from; None for a new run."""
    from ..training import checkpoint as checkpoints
    from ..training.network import load_to_resume

    if not (folder / checkpoints.NAME).exists():
        return None
    if not args.resume:
        raise UserError(f"{folder}: already holds a run; continue it with --resume, or choose another --out")
    checkpoint = load_to_resume(folder)
    if "finetune" not in checkpoint.progress:
        raise UserError(f"{folder}: a run of train; continue it with: {hint('train', f'--resume --out {folder}')}")
    return checkpoint


def base_of(args: argparse.Namespace) -> Base:
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
    return Base(str(path), classifier.config, classifier.size, net.parameters() | net.state(), classifier.prepare)


def settings(args: argparse.Namespace, base: Base) -> Config:
    """The settings of a new run."""
    return base.config.but(**USUAL, **{name: getattr(args, name) for name in OPTIONS}, skip_bad=args.skip_bad,
                           augment="none" if args.no_mirror else "mirror", size=base.size)
