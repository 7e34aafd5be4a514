"""The time from ``python -m minigooglenet train`` to the end of the first step, with and without numba's cache."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from minigooglenet.errors import UserError

ROOT = Path(__file__).resolve().parent.parent

#: The command itself, except that it ends after the first step.
COMMAND = """
import os, sys
from minigooglenet.training.trainer import Trainer
step = Trainer.train_step
def first(self, *arguments):
    step(self, *arguments)
    os._exit(77)
Trainer.train_step = first
from minigooglenet.cli import main
sys.exit(main(["train", *sys.argv[1:]]))
"""


def seconds_to_first_step(data: str | None, cache: Path | str | None = None) -> float:
    """Wall-clock seconds from the start of the process. ``cache``: a folder for numba's cache, instead of its own.

    Raises UserError with the command's last line if it does not reach its first step.
    """
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "MINIGOOGLENET_OFFLINE": "1"}
        if cache:
            environment["NUMBA_CACHE_DIR"] = str(cache)
        options = ["--data", data] if data else []
        began = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", COMMAND, "--out", folder, "--json", *options], env=environment,
                              capture_output=True, text=True)
        seconds = time.perf_counter() - began
    if done.returncode != 77:
        raise UserError(f"train did not reach its first step: {done.stderr.strip().splitlines()[-1:] or 'no output'}")
    return seconds


def measure(data: str | None = None, repetitions: int = 5) -> dict[str, float]:
    """{"cached": median seconds, "cold": seconds}. Runs once before, so that the data is in the file cache."""
    seconds_to_first_step(data)
    cached = statistics.median(seconds_to_first_step(data) for _ in range(repetitions))
    with tempfile.TemporaryDirectory() as empty:
        return {"cached": cached, "cold": seconds_to_first_step(data, empty)}
