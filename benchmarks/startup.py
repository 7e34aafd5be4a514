"""From ``python -m minigooglenet train`` to the end of the first step, with numba's compilations kept and without."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from minigooglenet.errors import UserError

ROOT = Path(__file__).resolve().parent.parent

#: The command itself, but for one thing: after the first step it ends.
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


def seconds_to_first_step(data, cache=None):
    """Wall-clock seconds from the start of the process. ``cache``: a folder for numba's compilations, if not its own.

    Raises UserError with what the command said if it did not come to its first step.
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
        raise UserError(f"train did not come to its first step: {done.stderr.strip().splitlines()[-1:] or 'no word'}")
    return seconds


def measure(data=None, repetitions=5):
    """{"cached": median seconds, "cold": seconds}. Reads the data once before, so that it is in memory."""
    seconds_to_first_step(data)
    cached = statistics.median(seconds_to_first_step(data) for _ in range(repetitions))
    with tempfile.TemporaryDirectory() as empty:
        return {"cached": cached, "cold": seconds_to_first_step(data, empty)}
