"""Scalars for TensorBoard, in the folder ``tensorboard`` of a run. Needs the extra ``tensorboard``."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import need
from .steps import NAME as STEPS
from .steps import read_steps


class Board:
    """The writer of one training session.

    A resumed run adds a file, which begins with the values of all earlier sessions, from steps.csv in ``folder`` and
    from ``history``: a killed session lacks the last ones. TensorBoard drops those of the earlier files.
    """

    def __init__(self, folder: Path | str, history: Sequence[Mapping[str, float]] = ()) -> None:
        writer = need("tensorboard.summary.writer.event_file_writer", "--tensorboard")
        self._event = need("tensorboard.compat.proto.event_pb2", "--tensorboard")
        self._summary = need("tensorboard.compat.proto.summary_pb2", "--tensorboard").Summary
        self._writer = writer.EventFileWriter(str(Path(folder) / "tensorboard"))
        start = self._event.SessionLog(status=self._event.SessionLog.START)
        self._writer.add_event(self._event.Event(step=1, wall_time=time.time(), session_log=start))
        earlier = [(row, STEP) for row in read_steps(Path(folder) / STEPS)] + [(row, EPOCH) for row in history]
        self._began = time.time() - max((row["seconds"] for row, _ in earlier), default=0)  # without interruptions
        for row, names in sorted(earlier, key=lambda each: each[0]["step"]):
            self.add(row, names)

    def add(self, row: Mapping[str, float], names: Mapping[str, str]) -> None:
        """Write the values of a row of ``steps.csv`` or ``log.csv``; ``names``: {column: tag in TensorBoard}."""
        values = [self._summary.Value(tag=tag, simple_value=row[name]) for name, tag in names.items() if name in row]
        event = self._event.Event(step=int(row["step"]), wall_time=self._began + row["seconds"],
                                  summary=self._summary(value=values))
        self._writer.add_event(event)

    def close(self) -> None:
        self._writer.close()


STEP = {"loss": "training/loss", "train_accuracy": "training/accuracy", "lr": "training/learning rate",
        "images_per_second": "training/images per second"}
EPOCH = {"test_accuracy": "test/accuracy", "validation_accuracy": "validation/accuracy",
         "validation_loss": "validation/loss"}
