"""``python -m minigooglenet parallel``"""

import argparse
import json

from ..errors import UserError
from ..hints import hint
from .options import positive

DESCRIPTION = """\
Measure the all-reduce (the sum over processes) of this cluster, and project how training scales. Run it under mpiexec
on the machines that will train. It prints the times of all-reduces of 8 bytes to 8 MB and the latency and bandwidth
fitted to them. From these and --step, the seconds of a training step in one process (train prints images/s: batch /
images/s), it projects the step and the speed-up in 2, 4, 8 ... processes. This is a model of training with a measured
network, not a measurement of training: training/parallel.py has the formulas."""

EXAMPLES = """\
examples:
  mpiexec -n 2 python -m minigooglenet parallel --step 0.5
  mpiexec -n 4 --hostfile machines python -m minigooglenet parallel --width 0.5 --step 1.5"""

SIZES = [8 * 8**k for k in range(7)] + [2**23]  # bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--step", type=float, default=0.5, metavar="S",
                        help="seconds of a training step in one process (default: 0.5)")
    parser.add_argument("--width", type=float, default=0.25, metavar="X", help="width of the network (default: 0.25)")
    parser.add_argument("--up-to", type=positive, default=64, metavar="N",
                        help="largest number of processes to project (default: 64)")
    parser.add_argument("--json", action="store_true", help="print one line: alpha, beta, sizes, seconds, steps")


def run(args: argparse.Namespace) -> None:
    from ..models import mini_googlenet
    from ..training import parallel, processes

    processes.initialize()
    n = processes.count()
    if n == 1:
        raise UserError("measuring an all-reduce needs two processes or more; start it with: "
                        f"mpiexec -n 2 {hint('parallel')}")
    if not args.step > 0:
        processes.broadcast_from_first(lambda: _refuse(args.step))
    seconds = parallel.measure(SIZES)
    if processes.rank():
        return
    alpha, beta = parallel.fit(SIZES, seconds, n)
    sizes = parallel.messages(mini_googlenet(args.width))
    counts = [2**k for k in range(args.up_to.bit_length()) if 2**k <= args.up_to]
    steps = {N: parallel.project(args.step, sizes, N, alpha, beta) for N in counts}
    if args.json:
        print(json.dumps({"alpha": alpha, "beta": beta, "sizes": SIZES, "seconds": seconds, "steps": steps}))
        return
    print(f"all-reduce over {n} processes, minimum of 20:")
    for size, measured in zip(SIZES, seconds, strict=True):
        print(f"  {size:>9,} bytes  {measured * 1e6:10.1f} us   model "
              f"{parallel.sum_seconds(size, n, alpha, beta) * 1e6:10.1f} us")
    print(f"latency {alpha * 1e6:.1f} us, bandwidth {beta / 1e6:,.0f} MB/s\n\nprojected for a step of {args.step:g} s "
          f"with {len(sizes)} messages, {sum(sizes) / 1e6:.1f} MB:")
    for N, step in steps.items():
        print(f"  {N:3} processes  {step:8.4f} s   speed-up {args.step / step:5.1f}")


def _refuse(step):
    raise UserError(f"--step: got {step:g}, needs a positive number of seconds")
