"""Commands in forked processes: ``python -m minigooglenet ...`` without its two seconds of imports and compiled code.

A process of its own imports the package, takes a training step, which loads the kernels, and then forks a child for
each command. The child has the arguments, folder, environment, pipes, signals and exit code that the command would have
if Python were started for it. Tests of how a process starts, such as of imports and switches, do start Python.
"""

import atexit
import contextlib
import io
import os
import pickle
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading

#: How the names of variables begin that modules read when they are imported, and variables that commands read later.
READ_EARLY = ("MINIGOOGLENET_", "NUMBA_", "MPL", "PYTHON", "OMP_", "OPENBLAS_", "MKL_", "LANG", "LC_", "HOME", "XDG_")
READ_LATE = {"MINIGOOGLENET_ENGINE", "MINIGOOGLENET_OFFLINE", "MINIGOOGLENET_THREADS", "PYTHONPATH", "PYTHONUNBUFFERED"}
_at_start = dict(os.environ)
_messages = []      # to the process that forks, if it has been started: a socket


def possible(environment):
    """Whether a process with this environment imports the same modules with the same switches as most tests."""
    names = {name for name in environment.keys() | _at_start.keys() if name.startswith(READ_EARLY)} - READ_LATE
    return sys.platform == "linux" and all(environment.get(name) == _at_start.get(name) for name in names)


class Process:
    """A command, with those methods of ``subprocess.Popen`` that tests use."""

    def __init__(self, arguments, cwd, environment):
        (stdout, out), (stderr, err), (self.status, status) = os.pipe(), os.pipe(), socket.socketpair()
        self.stdout, self.stderr, self.returncode = open(stdout), open(stderr), None
        handed = [out, err, status.detach()]
        message = pickle.dumps((arguments, os.fspath(cwd or os.getcwd()), environment))
        parent = messages_to_parent(environment)
        socket.send_fds(parent, [len(message).to_bytes(4, "big")], handed)
        parent.sendall(message)
        for descriptor in handed:
            os.close(descriptor)
        self.pid = self._told()

    def _told(self):
        told = self.status.recv(4, socket.MSG_WAITALL)
        assert len(told) == 4, "the process that forks has ended"
        return int.from_bytes(told, "big", signed=True)

    def wait(self, timeout=None):
        if self.returncode is None:
            if not select.select([self.status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("minigooglenet", timeout)
            self.returncode = self._told()
            self.status.close()
        return self.returncode

    def poll(self):
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout=None):
        """(standard output, standard error), when the process has ended."""
        texts = {}

        def read(stream):
            with stream:
                texts[stream] = stream.read()

        readers = [threading.Thread(target=read, args=[stream], daemon=True) for stream in (self.stdout, self.stderr)]
        for reader in readers:
            reader.start()
        self.wait(timeout)
        for reader in readers:
            reader.join()
        return texts[self.stdout], texts[self.stderr]


def messages_to_parent(environment):
    """The socket of the process that forks. The first command starts it."""
    if not _messages:
        here, there = socket.socketpair()
        process = subprocess.Popen([sys.executable, "-W", "ignore::DeprecationWarning", __file__, str(there.fileno())],
                                   env=environment, pass_fds=[there.fileno()])
        there.close()
        atexit.register(process.wait)
        atexit.register(here.close)     # called first: the process reads the end of its messages
        _messages.append(here)
    return _messages[0]


# -- the process that forks -------------------------------------------------------------------------------------------


def serve(messages):
    """Fork for each message. Returns in the child, with (arguments, folder, environment) and its descriptors; or None,
    at the end of the messages."""
    while True:
        head, handed, *_ = socket.recv_fds(messages, 4, 3)
        message = b""
        while head and len(message) < int.from_bytes(head, "big"):
            message += messages.recv(1 << 20)
        if not head:
            return None
        if not os.fork():
            fork_and_report(handed[2])
            return pickle.loads(message), handed
        for descriptor in handed:
            os.close(descriptor)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def fork_and_report(status):
    """Fork, report the number of the child and how it ends, and exit. Returns in the child only."""
    if pid := os.fork():
        os.write(status, pid.to_bytes(4, "big"))
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.write(status, code.to_bytes(4, "big", signed=True))
        os._exit(0)


def load():
    """Import what commands import, and load the kernels that a training step and a test call."""
    import gc
    from pathlib import Path

    import small

    from minigooglenet.commands import ensemble, evaluate, finetune, predict, train  # noqa: F401
    from minigooglenet.data import Augment
    from minigooglenet.kernels import threads
    from minigooglenet.training.report import write_log
    from minigooglenet.training.trainer import Trainer
    threads._setting = 1
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(Exception):   # the tests will find what is wrong
        trainer = Trainer(small.NARROW.but(epochs=1), small.dataset(8, 4), Path(folder), Augment("crop"))
        trainer.run(lambda trainer, loss: write_log(trainer) if loss is None else None)
    threads._pool = threads._setting = None
    gc.collect()
    gc.freeze()


def unbuffered(descriptor, stream):
    """A stream in the place of this standard stream, as with PYTHONUNBUFFERED."""
    os.dup2(descriptor, stream.fileno())
    os.close(descriptor)
    return io.TextIOWrapper(io.FileIO(stream.fileno(), "w", closefd=False), stream.encoding, stream.errors,
                            write_through=True)


def main():
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)      # Ctrl-C ends the tests, and their end this process
    load()
    with socket.socket(fileno=int(sys.argv[1])) as messages:
        task = serve(messages)
    if task is None:
        return
    (arguments, folder, environment), (out, err, status) = task
    signal.signal(signal.SIGINT, handler)
    os.close(status)
    sys.stdout, sys.stderr = unbuffered(out, sys.stdout), unbuffered(err, sys.stderr)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:], sys.path[0] = arguments, folder
    runpy.run_module("minigooglenet", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
