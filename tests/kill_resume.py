"""Kill training at random moments, resume it, and compare the result with an uninterrupted run, bit for bit.

    .venv/bin/python tests/kill_resume.py --kills 20 [--seed N] [--width X] [--batch N] [--images N] [--epochs N]

Trains on a few hundred images of Shapes-10: first without interruption, then with kill -9 at random moments (while it
starts, computes, tests or writes a checkpoint), each time resumed with another number of threads. When such a run
finishes, every array of its checkpoint (weights, running statistics, velocities, averages), the generator's state and
the history of losses and accuracies are compared with the uninterrupted run's. Then the next run starts, until all
kills are done. Prints a line for each kill and each comparison; exit code 1 if anything differs. Takes some minutes for
twenty kills.
"""

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import small

from minigooglenet.errors import UserError
from minigooglenet.training import checkpoint

EVERY = 3  # steps between checkpoints


def options(data, out, width, batch, epochs, threads):
    """The command line of a run, for its start and for every resumption."""
    return ["train", "--data", data, "--out", out, "--width", width, "--batch", batch, "--epochs", epochs,
            "--checkpoint-every", EVERY, "--threads", threads]


def uninterrupted(command, out):
    """Run to the end. Returns the seconds of a step, without compilation."""
    code, _, errors = small.run(*command)
    if code:
        raise SystemExit(f"the uninterrupted run failed: {errors}")
    before, last = checkpoint.load(out).progress["history"][-2:]
    return (last["seconds"] - before["seconds"]) / (last["step"] - before["step"])


def wait_until_it_trains(process):
    """Read standard error until the process has named its folder: the checkpoint exists, the first step comes next."""
    for line in process.stderr:
        if line.startswith("run: "):
            return


def kill(command, folder, checkpoints, seconds):
    """Resume, wait for so many checkpoints, which measures progress on a machine of any speed, and kill -9 so many
    seconds later. Returns whether the process was still running."""
    process = small.command(*command, "--resume")
    wait_until_it_trains(process)
    seen = written(folder)
    while checkpoints and process.poll() is None:
        time.sleep(0.005)
        if written(folder) != seen:
            seen, checkpoints = written(folder), checkpoints - 1
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def written(folder):
    """A value that changes with every checkpoint."""
    return (folder / checkpoint.NAME).stat().st_ino, (folder / checkpoint.NAME).stat().st_mtime_ns


def step_of(folder):
    """The step of the checkpoint, or "none"."""
    try:
        return checkpoint.load(folder).progress["step"]
    except UserError:
        return "none"


def kill_and_compare(place, kills, seed=0, width=0.05, batch=16, images=160, epochs=3, report=print):
    """Run the comparison in the folder ``place``. Returns the names of all differences; [] if there are none."""
    place, rng = Path(place), random.Random(seed)
    data = small.folder(place / "data", images, images // 4)
    whole = place / "uninterrupted"
    step_seconds = uninterrupted(options(data, whole, width, batch, epochs, threads=2), whole)
    report(f"uninterrupted: {step_of(whole)} steps of {1000 * step_seconds:.0f} ms")
    done, different, number = 0, [], 0
    while done < kills:
        number += 1
        interrupted = place / f"interrupted-{number}"
        while done < kills:
            command = options(data, interrupted, width, batch, epochs, threads=1 + done % 2)
            before = step_of(interrupted)
            seconds = rng.uniform(0, EVERY * step_seconds)
            if not kill(command, interrupted, rng.randint(0, 3), seconds):
                break  # it had already finished
            done += 1
            report(f"kill {done:2}/{kills}: resumed at step {before}, killed {1000 * seconds:.0f} ms after the "
                   f"checkpoint of step {step_of(interrupted)}; {len(list(interrupted.glob('.*.part')))} partial files")
        code, _, errors = small.run(*options(data, interrupted, width, batch, epochs, threads=2), "--resume")
        found = small.differences(whole, interrupted) if code == 0 else [errors]
        different += found
        report(f"run {number}: {'all bits equal' if not found else 'DIFFERENT: ' + ', '.join(found)}")
    return different


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--images", type=int, default=320)
    parser.add_argument("--epochs", type=int, default=3)
    args = parser.parse_args()
    place = tempfile.mkdtemp(prefix="kill-resume-")
    try:
        different = kill_and_compare(place, report=lambda text: print(text, flush=True), **vars(args))
    finally:
        shutil.rmtree(place)
    print(f"{args.kills} kills: " + ("every run ended with the same bits" if not different else "some runs differ"))
    return bool(different)


if __name__ == "__main__":
    sys.exit(main())
