"""Kill training at random moments, resume it, and compare the end with a run that nobody disturbed, bit for bit.

    .venv/bin/python tests/kill_resume.py --kills 20 [--seed N] [--width X] [--batch N] [--pictures N] [--epochs N]

Trains on a few hundred pictures of Shapes-10, first undisturbed, then with kill -9 at random moments (while it starts,
computes, tests or writes a checkpoint), each time resumed with another number of threads. Whenever such a run reaches
its end, every array of its checkpoint (weights, running statistics, velocities, averages), the generator's state and
the history of losses and accuracies are compared with the undisturbed run's; then the next one begins, until all kills
are spent. Prints a line for each kill and each comparison; exit code 1 if anything differs. Some minutes for twenty.
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

EVERY = 3  # steps from one checkpoint to the next


def options(data, out, width, batch, epochs, threads):
    """The command line of a run; the same for its beginning and for every resumption."""
    return ["train", "--data", data, "--out", out, "--width", width, "--batch", batch, "--epochs", epochs,
            "--checkpoint-every", EVERY, "--threads", threads]


def undisturbed(command, out):
    """Run to the end. Returns the seconds of a step once everything is compiled."""
    code, _, errors = small.run(*command)
    if code:
        raise SystemExit(f"the undisturbed run failed: {errors}")
    before, last = checkpoint.load(out).progress["history"][-2:]
    return (last["seconds"] - before["seconds"]) / (last["step"] - before["step"])


def wait_until_it_trains(process):
    """Read what the process says until it has named its folder: its checkpoint is there, its first step is next."""
    for line in process.stderr:
        if line.startswith("run: "):
            return


def kill(command, folder, checkpoints, seconds):
    """Resume, and kill -9 so many seconds after it has written so many checkpoints, which says how far it is on a
    machine of any speed. Whether it was still running."""
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
    """Something that changes with every checkpoint."""
    return (folder / checkpoint.NAME).stat().st_ino, (folder / checkpoint.NAME).stat().st_mtime_ns


def step_of(folder):
    """How far the checkpoint is, or "none"."""
    try:
        return checkpoint.load(folder).progress["step"]
    except UserError:
        return "none"


def kill_and_compare(place, kills, seed=0, width=0.05, batch=16, pictures=160, epochs=3, say=print):
    """Do what this file is about in the folder ``place``. Returns the names of all that differed: [] if all is well."""
    place, chance = Path(place), random.Random(seed)
    data = small.folder(place / "data", pictures, pictures // 4)
    whole = place / "undisturbed"
    step_seconds = undisturbed(options(data, whole, width, batch, epochs, threads=2), whole)
    say(f"undisturbed: {step_of(whole)} steps of {1000 * step_seconds:.0f} ms")
    done, different, round_ = 0, [], 0
    while done < kills:
        round_ += 1
        disturbed = place / f"disturbed-{round_}"
        while done < kills:
            command = options(data, disturbed, width, batch, epochs, threads=1 + done % 2)
            before = step_of(disturbed)
            seconds = chance.uniform(0, EVERY * step_seconds)
            if not kill(command, disturbed, chance.randint(0, 3), seconds):
                break  # it had finished
            done += 1
            say(f"kill {done:2}/{kills}: resumed at step {before}, killed {1000 * seconds:.0f} ms after the checkpoint "
                f"of step {step_of(disturbed)}; {len(list(disturbed.glob('.*.part')))} half-written files")
        code, _, errors = small.run(*options(data, disturbed, width, batch, epochs, threads=2), "--resume")
        found = small.differences(whole, disturbed) if code == 0 else [errors]
        different += found
        say(f"run {round_}: {'all bits equal' if not found else 'DIFFERENT: ' + ', '.join(found)}")
    return different


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--pictures", type=int, default=320)
    parser.add_argument("--epochs", type=int, default=3)
    args = parser.parse_args()
    place = tempfile.mkdtemp(prefix="kill-resume-")
    try:
        different = kill_and_compare(place, say=lambda text: print(text, flush=True), **vars(args))
    finally:
        shutil.rmtree(place)
    print(f"{args.kills} kills: " + ("every run ended with the same bits" if not different else "some runs differ"))
    return bool(different)


if __name__ == "__main__":
    sys.exit(main())
