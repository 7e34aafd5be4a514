"""Scalars for TensorBoard, in the folder ``tensorboard`` of a run. Needs the extra ``tensorboard``."""

import time
from collections.abc import Mapping
from pathlib import Path

from ..errors import need


class Board:
    """The writer of one training session. A resumed run adds a file, and TensorBoard drops what is written again."""

    def __init__(self, folder: Path | str, step: int = 0) -> None:
        writer = need("tensorboard.summary.writer.event_file_writer", "--tensorboard")
        self._event = need("tensorboard.compat.proto.event_pb2", "--tensorboard")
        self._summary = need("tensorboard.compat.proto.summary_pb2", "--tensorboard").Summary
        self._writer = writer.EventFileWriter(str(Path(folder) / "tensorboard"))
        start = self._event.SessionLog(status=self._event.SessionLog.START)
        self._writer.add_event(self._event.Event(step=step + 1, wall_time=time.time(), session_log=start))

    def add(self, row: Mapping[str, float], names: Mapping[str, str]) -> None:
        """Write the values of a row of ``steps.csv`` or ``log.csv``; ``names``: {column: tag in TensorBoard}."""
        values = [self._summary.Value(tag=tag, simple_value=row[name]) for name, tag in names.items() if name in row]
        event = self._event.Event(step=int(row["step"]), wall_time=time.time(), summary=self._summary(value=values))
        self._writer.add_event(event)

    def close(self) -> None:
        self._writer.close()


STEP = {"loss": "training/loss", "train_accuracy": "training/accuracy", "lr": "training/learning rate",
        "images_per_second": "training/images per second"}
EPOCH = {"test_accuracy": "test/accuracy", "validation_accuracy": "validation/accuracy",
         "validation_loss": "validation/loss"}
