"""Several hosts on one Linux machine, joined by a slow network, to try training over mpiexec without a cluster.

    sudo .venv/bin/python -m benchmarks.hosts              # how training scales: measured, and as parallel projects it
    sudo .venv/bin/python -m benchmarks.hosts --hosts 2 --delay 1 --rate 1 python -m minigooglenet parallel

Each host has its own network, host name and processes (namespaces), and one interface, a TUN device. The kernel's token
bucket (``tc``'s tbf) limits what the host sends; this process forwards each packet after the delay, as not every kernel
has netem. All goes away with this process, however it ends. Needs root, mpiexec with mpi4py, and ``ip``, ``tc``,
``unshare``, ``nsenter`` and ``setpriv`` (packages iproute2 and util-linux).
"""

import argparse
import fcntl
import heapq
import itertools
import json
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from minigooglenet.errors import UserError

TUNSETIFF, TUNSETOFFLOAD = 0x400454CA, 0x400454D0  # <linux/if_tun.h>
TUN, NO_PI, VNET_HDR = 0x0001, 0x1000, 0x4000
CHECKSUM, TSO4 = 1, 2  # large segments stay whole: 64 kB at a time through this process
HEADER = 10  # bytes of struct virtio_net_hdr before each packet
TOOLS = ("ip", "tc", "unshare", "nsenter", "setpriv")


class Hosts:
    """host1, host2, … with addresses 10.77.0.1, …, until ``close``; ``delay`` in seconds one way, ``rate`` in bits per
    second of what a host sends (0: no limit). A context manager. Raises UserError if this machine or user cannot."""

    def __init__(self, number: int, delay: float = 0.0, rate: float = 0.0) -> None:
        if os.geteuid() != 0:
            raise UserError("hosts: network namespaces need root; start it with sudo")
        if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
            raise UserError(f"hosts: {missing[0]} is missing; install the packages iproute2 and util-linux")
        self.names = [f"host{k + 1}" for k in range(number)]
        self.delay, self.rate = delay, rate
        self.silent: set[int] = set()  # hosts whose cable is pulled
        self.anchors: list[subprocess.Popen] = []  # for each host the process whose end is the host's
        self.tuns: list[int] = []
        self.closed = threading.Event()
        self.forwarding = threading.Thread(target=self._forward, daemon=True)
        self.folder = Path(tempfile.mkdtemp(prefix="hosts-"))
        try:
            self._start()
        except (OSError, subprocess.CalledProcessError) as error:
            self.close()
            raise UserError(f"hosts: namespaces or TUN devices are not allowed here ({error})") from None
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Hosts":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End all processes of the hosts, and the network."""
        self.closed.set()
        for anchor in self.anchors:
            anchor.kill()
            anchor.communicate()
        if self.forwarding.is_alive():
            self.forwarding.join()
        for tun in self.tuns:
            os.close(tun)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self):
        addresses = [f"10.77.0.{k + 1}" for k in range(len(self.names))]
        (self.folder / "hosts").write_text("127.0.0.1 localhost\n" + "".join(
            f"{address} {name}\n" for address, name in zip(addresses, self.names, strict=True)))
        for file, slots in (("open-mpi", " slots=1"), ("mpich", ":1")):
            (self.folder / file).write_text("".join(f"{name}{slots}\n" for name in self.names))
        for name, address in zip(self.names, addresses, strict=True):
            self.anchors.append(subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--uts", "--mount", "--pid", "--fork",
                 "--kill-child=KILL", "sh", "-c",
                 f"hostname {name} && mount -t sysfs none /sys && mount --bind {self.folder}/hosts /etc/hosts && "
                 "echo up && exec sleep infinity"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True, text=True))
            if self.anchors[-1].stdout.readline() != "up\n":
                raise OSError("unshare failed")
            (self.folder / name).write_text(str(self._first_process(-1)))
            tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            self.tuns.append(tun)
            device = fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"", TUN | NO_PI | VNET_HDR))
            device = device[:16].rstrip(b"\0").decode()
            fcntl.ioctl(tun, TUNSETOFFLOAD, CHECKSUM | TSO4)
            _run("ip", "link", "set", device, "netns", self._first_process(-1))
            inside = ["nsenter", "-t", self._first_process(-1), "-n"]
            _run(*inside, "ip", "link", "set", "lo", "up")
            _run(*inside, "ip", "address", "add", f"{address}/24", "dev", device)
            _run(*inside, "ip", "link", "set", device, "up", "txqueuelen", 1000)
            if self.rate:
                _run(*inside, "tc", "qdisc", "add", "dev", device, "root", "tbf", "rate", f"{self.rate:.0f}bit",
                     "burst", max(2**17, int(self.rate / 8e3)), "latency", "100ms")
        agent = self.folder / "agent"  # in place of ssh: agent HOST COMMAND
        agent.write_text(f'#!/bin/sh\nhost=$1; shift\nnsenter -t "$(cat {self.folder}/$host)" -n -u -m -p '
                         'sh -c "$*" || exit 255\n')
        agent.chmod(0o755)
        self.forwarding.start()

    def _first_process(self, k):
        """The process that is number 1 in a host, by its number outside."""
        anchor = self.anchors[k].pid
        return int(Path(f"/proc/{anchor}/task/{anchor}/children").read_text().split()[0])

    def _forward(self):
        """Forward each packet after the delay to the host in its destination address (bytes 16 to 19 of IPv4)."""
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))  # this thread: it must not wait for busy processes
        waiting: list[tuple[float, int, int, bytes]] = []
        of = {tun: k for k, tun in enumerate(self.tuns)}
        count = 0
        while not self.closed.is_set():
            pause = max(waiting[0][0] - time.monotonic(), 0) if waiting else 0.1
            readable, _, _ = select.select(self.tuns, [], [], pause)
            now = time.monotonic()
            for tun in readable:
                for _ in range(16):
                    try:
                        packet = os.read(tun, 70000)
                    except OSError:
                        break
                    to = packet[HEADER + 19] - 1
                    if packet[HEADER] >> 4 == 4 and to < len(self.tuns) and not {of[tun], to} & self.silent:
                        heapq.heappush(waiting, (now + self.delay, count, to, packet))
                        count += 1
            while waiting and waiting[0][0] <= time.monotonic():
                _, _, to, packet = heapq.heappop(waiting)
                try:
                    os.write(self.tuns[to], packet)
                except OSError:  # the host is gone, or its queue is full: lost, as in a network
                    pass

    # -- what a test does -------------------------------------------------------------------------------------------

    def mpiexec(self, number: int, *command: object, env: dict[str, str] | None = None,
                **options: Any) -> subprocess.Popen:
        """Start ``mpiexec -n NUMBER COMMAND`` on host1, one process per host. It cannot outlive this process."""
        agent, machines = str(self.folder / "agent"), str(self.folder / "open-mpi")
        environment = (env or os.environ) | {
            "TMPDIR": str(self.folder), "HYDRA_LAUNCHER": "rsh", "HYDRA_LAUNCHER_EXEC": agent,
            "HYDRA_HOST_FILE": str(self.folder / "mpich"),
            "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
            "OMPI_MCA_pml": "ob1", "OMPI_MCA_btl": "self,tcp", "UCX_TLS": "self,tcp",  # not through shared memory
            "OMPI_MCA_mpi_yield_when_idle": "1"}
        for name in ("OMPI_MCA_plm_rsh_agent", "PRTE_MCA_plm_ssh_agent"):  # Open MPI 4 and 5
            environment[name] = agent
        for name in ("OMPI_MCA_orte_default_hostfile", "PRTE_MCA_prte_default_hostfile"):
            environment[name] = machines
        inside = ["nsenter", "-t", str(self._first_process(0)), "-n", "-u", "-m"]
        return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *inside, "mpiexec", "-n", str(number),
                                 *map(str, command)], env=environment, text=True, **options)

    def kill(self, k: int) -> None:
        """End all processes of host k with SIGKILL."""
        os.kill(self._first_process(k), 9)

    def unplug(self, k: int) -> None:
        """Forward nothing from and to host k any more: its processes run on, but nobody hears of them."""
        self.silent.add(k)


def _run(*command):
    subprocess.run([*map(str, command)], check=True, capture_output=True, text=True)


def _several(kind):
    """The type of an option that takes values separated by commas."""
    def numbers(text: str) -> list:
        return [kind(part) for part in text.split(",")]
    return numbers


def main(argv: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hosts", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--hosts", type=_several(int), default=[2, 4], metavar="N,N")
    parser.add_argument("--delay", type=_several(float), default=[0.1, 1], metavar="MS,MS", help="milliseconds one way")
    parser.add_argument("--rate", type=_several(float), default=[1, 10], metavar="G,G", help="Gbit/s; 0: no limit")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="to run under mpiexec, one process per host")
    args = parser.parse_args(argv)
    command = args.command or [sys.executable, "-m", "benchmarks.hosts_step"]
    heading = ("hosts  delay    network      latency   bandwidth  step: projected  measured   "
               "efficiency: projected  measured\n")
    for number, delay, rate in itertools.product(args.hosts, args.delay, args.rate):
        with Hosts(number, delay / 1e3, rate * 1e9) as hosts:
            process = hosts.mpiexec(number, *command, stdout=None if args.command else subprocess.PIPE)
            output, _ = process.communicate()
        if process.returncode or args.command:
            return process.returncode
        got = json.loads(output)
        ideal = got["alone"] / number
        print(f"{heading}{number:5}  {delay:3g} ms  {rate:3g} Gbit/s {1e6 * got['alpha']:8.0f} us "
              f"{got['beta'] / 1e6:6.0f} MB/s"
              f"{1e3 * got['projected']:15.1f} ms {1e3 * got['measured']:6.1f} ms {ideal / got['projected']:20.0%} "
              f"{ideal / got['measured']:8.0%}", flush=True)
        heading = ""
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # removes the temporary folder as well
    try:
        sys.exit(main())
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
