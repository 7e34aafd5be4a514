"""Read changed files with every reader of the package and count what happens.

    make fuzz                                             100,000 inputs
    make fuzz ARGS="--inputs 1000 --seed 3 --reader onnx"
    make fuzz ARGS="--seconds 30"                         as many as this time allows
    make fuzz ARGS="--replay build/fuzz/onnx-3-417.zip"   one that was a fault, with its traceback

Every input must be accepted, or refused in one line, within 1 GB of memory and 5 s of processor time. The same seed
gives the same inputs. The input of a fault is stored in build/fuzz; the exit code is then 1.
"""

import argparse
import contextlib
import math
import os
import sys
import tempfile
import time
import zipfile
from collections import Counter
from pathlib import Path

os.environ |= {"MINIGOOGLENET_JIT": "0", "MINIGOOGLENET_ENGINE": "plain", "MINIGOOGLENET_THREADS": "1",
               "MINIGOOGLENET_OFFLINE": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

from .readers import READERS  # noqa: E402
from .worker import OUTCOMES, changed_input, outcome, read_all, write  # noqa: E402

FAULTS = Path("build/fuzz")
CHUNK = 100             # inputs of one reader before the next reader's turn, in a process of their own


def fuzz(inputs: int, seed: int = 0, readers: list[str] | None = None, seconds: float | None = None,
         faults: Path = FAULTS) -> tuple[dict[str, Counter], list[str]]:
    """({reader: Counter of outcomes}, descriptions of the faults) of so many inputs, divided among the readers.

    Ends earlier after so many seconds, or with Ctrl-C.
    """
    chosen, found = readers or list(READERS), []
    counts = {name: Counter() for name in chosen}
    end = time.monotonic() + (seconds or float("inf"))
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as place, \
            contextlib.suppress(KeyboardInterrupt):
        for name, numbers in _turns(inputs, chosen):
            if time.monotonic() > end:
                break
            for number, (kind, text) in read_all(name, seed, numbers, Path(place, "input")):
                counts[name][kind] += 1
                if kind == "fault":
                    file = faults / f"{name}-{seed}-{number}.zip"
                    _store(file, changed_input(name, seed, number))
                    found.append(f"{file}: {text}")
                    print(found[-1], file=sys.stderr, flush=True)
    return counts, found


def _turns(inputs, chosen):
    """(reader, numbers of inputs) in turn, as each reader's share allows."""
    shares = [READERS[name].share for name in chosen]
    wanted = [round(inputs * share / sum(shares)) for share in shares]
    turns = math.ceil(max(wanted) / CHUNK)
    for turn in range(turns):
        for name, number in zip(chosen, wanted, strict=True):
            yield name, range(number * turn // turns, number * (turn + 1) // turns)


def _store(path, files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files.items():
            file.writestr(os.fsencode(name).hex(), data)


def replay(path: Path) -> int:
    """Read a stored input again, in this process."""
    name = path.name.split("-")[0]
    with zipfile.ZipFile(path) as file, tempfile.TemporaryDirectory() as place:
        write(Path(place, "input"), {os.fsdecode(bytes.fromhex(entry)): file.read(entry) for entry in file.namelist()})
        kind, text = outcome(name, Path(place, "input"))
    print(f"{path}: {kind}\n{text}")
    return int(kind == "fault")


def table(counts: dict[str, Counter]) -> str:
    rows = [("reader", "inputs", *OUTCOMES)] + [
        (name, *(f"{n:,}" for n in (count.total(), *(count[kind] for kind in OUTCOMES))))
        for name, count in [*counts.items(), ("all", sum(counts.values(), Counter()))]]
    return "\n".join("  ".join([f"{row[0]:<12}", *(f"{cell:>9}" for cell in row[1:])]) for row in rows)


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, help="stop after so long")
    parser.add_argument("--reader", action="append", choices=READERS)
    parser.add_argument("--replay", type=Path, metavar="FILE")
    args = parser.parse_args()
    if args.replay:
        return replay(args.replay)
    counts, faults = fuzz(args.inputs, args.seed, args.reader, args.seconds)
    print(table(counts))
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
