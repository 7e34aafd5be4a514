"""Injure a tiny training at random instants and compare what becomes of it with a run that was left alone.

    make crash                                      300 kills and 190 failures to write
    make crash ARGS="--kills 20 --kind kill --kind 'write kill'"

A kill is SIGKILL at a random instant, or at an operation of a save: before a temporary file is made, in the middle of a
write, before fsync, before the rename, in the middle of a line of steps.csv. A fault is ENOSPC or EIO of one of these,
a limit on the size of files, or a full file system (only where one can be mounted). After each, training resumes, with
one or two threads. Weights, statistics, velocities, averages, generator, history and logs must be equal, bit for bit.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

os.environ |= {"MINIGOOGLENET_JIT": "0", "MINIGOOGLENET_ENGINE": "plain", "OPENBLAS_NUM_THREADS": "1",
               "MINIGOOGLENET_OFFLINE": "1"}

from .injuries import KINDS  # noqa: E402
from .trials import DISK, Trials  # noqa: E402


def crash(place: Path, kills: int, faults: int, seed: int = 0, kinds: Sequence[str] = KINDS) -> Trials:
    """So many kills, half of them in saves, and so many faults of each kind."""
    trials = Trials(place, seed=seed)
    saves = [kind for kind in kinds if kind.endswith(" kill")]
    for kind in kinds:
        before = len(trials.problems)
        in_saves = kills // 2 // len(saves) if kind in saves else faults
        trials.run(kind, kills - kills // 2 if kind == "kill" else in_saves)
        print("\n".join([f"{kind}: {trials.injured[kind]}", *trials.problems[before:]]), file=sys.stderr, flush=True)
    return trials


def table(trials: Trials) -> str:
    rows = [("injury", "times", "same bits")] + [
        (kind, f"{number:,}", f"{trials.resumed[kind]:,}") for kind, number in trials.injured.items()]
    rows.append(("all", f"{trials.injured.total():,}", f"{trials.resumed.total():,}"))
    return "\n".join(f"{kind:<16}{times:>8}{same:>12}" for kind, times, same in rows)


def main() -> int:
    parser = argparse.ArgumentParser(prog="crash", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--faults", type=int, default=20, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", action="append", choices=(*KINDS, DISK), help="only these")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as place:
        kinds = args.kind or (*KINDS, DISK)
        trials = crash(Path(place), args.kills, args.faults, args.seed, [kind for kind in kinds if kind != DISK])
        mounted = DISK not in kinds or trials.full_disk(args.faults // 4)
    print(table(trials))
    if not mounted:
        print("no file system can be mounted here: a full one was not tried")
    print("\n".join(trials.problems) or "all runs ended with the same bits")
    return int(bool(trials.problems))


if __name__ == "__main__":
    sys.exit(main())
