"""``python -m minigooglenet parallel``"""

import argparse
import json
import math

from ..errors import UserError
from ..hints import hint
from .options import positive

DESCRIPTION = """\
Measure the all-reduce (the sum over processes) of this cluster, and project how training scales. Run it under mpiexec
on the machines that will train. It prints the times of all-reduces of 8 bytes to 8 MB and the latency and bandwidth
fitted to them. From these and --step, the seconds of a training step in one process (train prints images/s: batch /
images/s), it projects the step and the speed-up in 2, 4, 8 ... processes. This is a model of training with a measured
network, not a measurement of training: training/parallel.py has the formulas.

With --model googlenet it projects GoogLeNet on ImageNet instead: 60 epochs with 32 images in each process, on networks
of 1, 10 and 100 Gbit/s, without mpiexec; under mpiexec also on the measured one."""

EXAMPLES = """\
examples:
  mpiexec -n 2 python -m minigooglenet parallel --step 0.5
  mpiexec -n 4 --hostfile machines python -m minigooglenet parallel --width 0.5 --step 1.5
  python -m minigooglenet parallel --model googlenet"""

STEP = {"mini": 0.5, "googlenet": 1.3}  # seconds
SIZES = [8 * 8**k for k in range(7)] + [2**23]  # bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", choices=STEP, default="mini", help="the network (default: mini)")
    parser.add_argument("--step", type=float, metavar="S",
                        help="seconds of a training step in one process (default: 0.5; googlenet: 1.3, twice what 16 "
                             "images take on two cores of an AMD EPYC)")
    parser.add_argument("--width", type=float, default=0.25, metavar="X", help="width of the network (default: 0.25)")
    parser.add_argument("--up-to", type=positive, metavar="N",
                        help="largest number of processes to project (default: 64; googlenet: 256)")
    parser.add_argument("--json", action="store_true", help="print one line: alpha, beta, sizes, seconds, "
                        "steps; googlenet: {network: {processes: [efficiency, hours]}}")


def run(args: argparse.Namespace) -> None:
    from ..models import mini_googlenet
    from ..training import parallel, processes

    processes.initialize()
    n, step = processes.count(), STEP[args.model] if args.step is None else args.step
    if n == 1 and args.model == "mini":
        raise UserError("measuring an all-reduce needs two processes or more; start it with: "
                        f"mpiexec -n 2 {hint('parallel')}")
    if not 0 < step < math.inf:
        processes.broadcast_from_first(lambda: _refuse(step))
    seconds = parallel.measure(SIZES) if n > 1 else []
    if processes.rank():
        return
    if args.model == "googlenet":
        _imagenet(args, step, {"measured": parallel.fit(SIZES, seconds, n)} if n > 1 else {})
        return
    alpha, beta = parallel.fit(SIZES, seconds, n)
    sizes = parallel.messages(mini_googlenet(args.width))
    counts = [2**k for k in range((args.up_to or 64).bit_length()) if 2**k <= (args.up_to or 64)]
    steps = {N: parallel.project(step, sizes, N, alpha, beta) for N in counts}
    if args.json:
        print(json.dumps({"alpha": alpha, "beta": beta, "sizes": SIZES, "seconds": seconds, "steps": steps}))
        return
    print(f"all-reduce over {n} processes, mean of ten in succession, minimum of three turns:")
    for size, measured in zip(SIZES, seconds, strict=True):
        print(f"  {size:>9,} bytes  {measured * 1e6:10.1f} us   model "
              f"{parallel.sum_seconds(size, n, alpha, beta) * 1e6:10.1f} us")
    print(f"latency {alpha * 1e6:.1f} us, bandwidth {beta / 1e6:,.0f} MB/s\n\nprojected for a step of {step:g} s "
          f"with {len(sizes)} messages, {sum(sizes) / 1e6:.1f} MB:")
    for N, projected in steps.items():
        print(f"  {N:3} processes  {projected:8.4f} s   speed-up {step / projected:5.1f}")


def _imagenet(args, step, networks):
    from ..models import googlenet
    from ..training import parallel

    net = googlenet()
    sizes, networks = parallel.messages(net), networks | parallel.NETWORKS
    counts = [4**k for k in range(9) if 4**k <= (args.up_to or 256)]
    found = {name: {N: parallel.growing(step, sizes, N, *network) for N in counts}
             for name, network in networks.items()}
    if args.json:
        print(json.dumps(found))
        return
    weights = sum(w.size for w in net.parameters().values())
    print(f"GoogLeNet with heads: {weights:,} parameters, {sum(sizes) / 1e6:.1f} MB to sum in each step.\n"
          f"{parallel.EPOCHS} epochs of ImageNet, {parallel.BATCH} images in each process, which take it {step:g} s.\n"
          "Projected efficiency and hours:\n\nprocesses   batch" + "".join(f"{name:>20}" for name in networks))
    for N in counts:
        cells = [f"{found[name][N][0]:>9.0%} {found[name][N][1]:>8,.1f} h" for name in networks]
        print(f"{N:>9}  {N * parallel.BATCH:>6,}" + "".join(cells))


def _refuse(step):
    raise UserError(f"--step: got {step:g}, needs a positive number of seconds")
