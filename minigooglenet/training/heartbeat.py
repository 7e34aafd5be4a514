"""Notice a host that is gone. A sum over processes waits for all of them; if one cannot be reached, it waits forever.

Process 0 and every other process exchange a message at each beat, in a thread of their own, whatever the main thread
does. If one hears nothing from another for all BEATS of a silence, the run ends with one line. Slow processes send as
well, so nothing has to be known about how long a step, a test or a checkpoint takes. Beats are counted, not seconds: a
machine that was suspended does not blame the others.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import PurePath
from typing import Any, NoReturn

import numpy as np

from ..errors import UserError

SILENCE = 30.0  # seconds, unless MINIGOOGLENET_SILENCE says otherwise
BEATS = 30  # in that time
ALIVE, FINISHED = 0, 1
LAUNCHERS = ("mpiexec", "mpirun", "mpiexec.hydra", "orterun", "prterun")


def silence() -> float:
    """The seconds without a message after which a process counts as gone. Raises UserError if they are not positive."""
    text = os.environ.get("MINIGOOGLENET_SILENCE") or str(SILENCE)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < threading.TIMEOUT_MAX:
        raise UserError(f"MINIGOOGLENET_SILENCE: got {text!r}, needs a positive number of seconds")
    return seconds


class Heartbeat:
    """Messages between process 0 and all others of an mpi4py communicator, until ``stop``."""

    def __init__(self, world: Any, host: str) -> None:
        self.world, self.silence, self.hosts = world.Dup(), silence(), world.allgather(host)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """Tell the others that no more messages will come."""
        self.stopping.set()
        self.thread.join()

    def _run(self):
        others = [k for k in range(self.world.size) if (k == 0) != (self.world.rank == 0)]
        message = {k: np.zeros(1, np.int8) for k in others}
        coming = {k: self.world.Irecv(message[k], k) for k in others}
        going = {k: self._send(ALIVE, k) for k in others}
        missed = dict.fromkeys(others, 0)
        while not self.stopping.wait(self.silence / BEATS):
            for k in others:
                if going[k].Test():
                    going[k] = self._send(ALIVE, k)
            for k in list(coming):
                missed[k] += 1
                while k in coming and coming[k].Test():
                    missed[k] = 0
                    if message[k] == FINISHED:
                        del coming[k]
                    else:
                        coming[k] = self.world.Irecv(message[k], k)
            if gone := [k for k in coming if missed[k] > BEATS]:
                self._end(gone)
        for k in others:
            self._send(FINISHED, k)
        for request in coming.values():
            request.Cancel()

    def _send(self, what, k):
        return self.world.Isend(np.full(1, what, np.int8), k)

    def _end(self, gone) -> NoReturn:
        """End all that can be reached. mpiexec would wait for the processes that cannot."""
        if self.world.rank < 2:  # one of those that miss process 0
            names = ", ".join(f"process {k} on {self.hosts[k]}" for k in gone)
            print(f"minigooglenet: nothing was heard for {self.silence:g} s of {names}, so the run ends; "
                  "train --resume continues it from its last checkpoint", file=sys.stderr, flush=True)
        if (pid := launcher()) is not None:
            time.sleep(min(1.0, self.silence / 4))  # it passes the line on, before others miss this process
            children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
            for one in [pid, *map(int, children)]:  # ssh to the silent host would keep the terminal open
                if one != os.getpid():
                    os.kill(one, signal.SIGKILL)
            os._exit(1)
        signal.alarm(3)  # ends this process if Abort waits as well
        self.world.Abort(1)
        os._exit(1)


def launcher() -> int | None:
    """The mpiexec that started this process, if it runs on this machine."""
    pid = os.getppid()
    while pid > 1:
        line = subprocess.run(["ps", "-o", "ppid=,comm=", "-p", str(pid)], capture_output=True, text=True).stdout
        if not line.split():
            return None
        parent, name = line.split(maxsplit=1)
        if PurePath(name.strip()).name in LAUNCHERS:
            return pid
        pid = int(parent)
    return None
