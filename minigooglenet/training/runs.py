"""Finished and unfinished training runs on disk: a row for each, without reading its arrays."""

import contextlib
import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import UserError
from ..files import parse_json
from ..weights.safetensors_io import metadata
from .checkpoint import NAME
from .config import Config
from .steps import NAME as STEPS
from .steps import read_steps


class Run(NamedTuple):
    """A run's folder, the settings in its checkpoint, its history by epoch, and the same within the epochs."""

    folder: Path
    row: dict[str, Any]
    config: dict[str, Any]
    history: list[dict[str, Any]]
    steps: list[dict[str, float]]


def find(root: Path | str, ensembles: bool = True) -> list[Path]:
    """The folders of all runs in ``root``, with or without those of ensembles, from the oldest to the latest."""
    found = []
    for pattern in (f"*/{NAME}", f"*/*/{NAME}")[:1 + ensembles]:
        for file in Path(root).glob(pattern):
            with contextlib.suppress(OSError):  # a dangling link, or a run that was just deleted
                found.append((file.stat().st_mtime, file.parent))
    return [folder for _, folder in sorted(found)]


def read(folder: Path | str) -> Run:
    """The Run in a folder. Raises UserError if it is none, or its checkpoint is damaged."""
    path = Path(folder) / NAME
    if not path.exists():
        raise UserError(f"{folder}: not the folder of a run; it has no {NAME}")
    try:
        values = {key: parse_json(text) for key, text in metadata(path).items()}
        config, progress = values["config"], values["progress"]
        history = progress["history"]
        measured = [accuracy(row) for row in history]
        done = len(history)
        row = {
            "run": str(folder), "data": str(values["dataset"]), "model": str(config["model"]),
            "width": float(config["width"]), "epochs": done, "of": int(config["epochs"]),
            "half_epochs": 0 if "finetune" in progress else Config(half=config.get("half", 0),
                                                                   epochs=config["epochs"]).half_epochs,
            "steps": int(progress["step"]),
            "best": max(measured, default=None), "last": measured[-1] if measured else None,
            "minutes": round(progress["seconds"] / 60, 1),
            "date": datetime.datetime.fromtimestamp(path.stat().st_mtime).strftime("%Y-%m-%d %H:%M"),
        }
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, UserError) as error:
        raise UserError(f"{path}: not a checkpoint of this package ({' '.join(str(error).split())[:100]})") from error
    return Run(Path(folder), row, config, history, read_steps(Path(folder) / STEPS))


def accuracy(row: Mapping[str, Any]) -> float:
    """The accuracy on the test images after an epoch; in fine-tuning, on the validation images."""
    return float(row["test_accuracy"] if "test_accuracy" in row else row["validation_accuracy"])


def differences(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """{setting: its value in each run} of the settings in which the runs differ; None where a run has no such one."""
    names = dict.fromkeys(name for run in runs for name in run.config)
    values = {"data": [run.row["data"] for run in runs]} | {
        name: [run.config.get(name) for run in runs] for name in names}
    return {name: row for name, row in values.items() if any(value != row[0] for value in row)}
