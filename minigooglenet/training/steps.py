"""The loss every few steps, in ``steps.csv`` of a run's folder.

A row is the mean since the row before. There is one every N steps, and one at the end of each epoch. The file is
appended to; after a kill it may end in half a row or be ahead of the checkpoint, so a resumed run first removes the
rows that it will write again.
"""

import csv
import io
import math
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..files import write_atomically

NAME = "steps.csv"
COLUMNS = ("step", "epoch", "lr", "loss", "train_accuracy", "images_per_second", "seconds")
EVERY, LEAST = 50, 20       # steps between rows, and the rows that even a short run has, if it has as many steps


class StepLog:
    """The writer of ``steps.csv`` for a trainer whose folder, step and sums are set: call ``add`` after every step."""

    def __init__(self, trainer: Any, every: int | None = None) -> None:
        self.path = Path(trainer.folder) / NAME
        self.every = every or max(1, min(EVERY, trainer.steps // LEAST))
        kept = [row for row in read_steps(self.path) if row["step"] <= trainer.step]
        write_atomically(self.path, lambda file: file.write(_text(COLUMNS, *map(_values, kept))), mode="w")
        if trainer.logged:
            self.sums = trainer.logged
            return
        start = trainer.step - trainer.step % trainer.steps_per_epoch   # an older run: from its rows, which are rounded
        inside = [row for row in kept if row["step"] > start]
        self.sums = {"loss": 0.0, "correct": 0.0, "images": 0.0, "seconds": 0.0}    # of this epoch, at the last row
        for row, before in zip(inside, [start, *(row["step"] for row in inside)], strict=False):
            images = (row["step"] - before) * trainer.batch
            for name, value in (("loss", row["loss"] * images), ("correct", row["train_accuracy"] * images),
                                ("images", images), ("seconds", images / row["images_per_second"])):
                self.sums[name] += value

    def add(self, trainer: Any) -> dict[str, float] | None:
        """Append a row if it is time for one, and return it. Raises UserError if the file cannot be written."""
        ended = trainer.step % trainer.steps_per_epoch == 0
        if not ended and trainer.step % self.every:
            return None
        part = {name: trainer.sums[name] - value for name, value in self.sums.items()}
        self.sums = dict.fromkeys(self.sums, 0.0) if ended else {name: trainer.sums[name] for name in self.sums}
        trainer.logged = self.sums
        row = {"step": trainer.step, "epoch": trainer.step / trainer.steps_per_epoch,
               "lr": trainer.learning_rate(trainer.step - 1), "loss": part["loss"] / part["images"],
               "train_accuracy": part["correct"] / part["images"],
               "images_per_second": part["images"] / max(part["seconds"], 1e-9), "seconds": trainer.seconds}
        try:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(_text(_values(row)))
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written ({error.strerror or error}); free some space or choose "
                            "another folder") from error
        return row


def read_steps(path: Path | str) -> list[dict[str, float]]:
    """The rows of a ``steps.csv`` in the order of their steps; empty if there is no such file.

    Rows that are not complete or not finite, and those that follow a later step, are left out.
    """
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    rows: list[dict[str, float]] = []
    whole = text[:text.rfind("\n") + 1]                     # the last line of a killed run may be half a row
    for line in whole.split("\n"):        # without quotes; a damaged line can be of any length
        try:
            row = dict(zip(COLUMNS, map(float, line.split(",")), strict=True))
        except ValueError:
            continue
        if all(map(math.isfinite, row.values())) and row["images_per_second"] > 0 and row["step"] > (
                rows[-1]["step"] if rows else 0):
            rows.append(row | {"step": int(row["step"])})
    return rows


def cell(value: float) -> int | str:
    """A number as steps.csv and log.csv show it: a whole number, or six digits of any other."""
    return value if isinstance(value, int) else f"{value:.6g}"


def _values(row):
    return [cell(row[name]) for name in COLUMNS]


def _text(*rows):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
