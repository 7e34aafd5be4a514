"""A side in a process of its own: it does what its pipe says, and nothing between two orders.

So no side's threads, allocator or BLAS settings get into another's way, the sides can still take turns in one run, and
the peak memory of the process is the peak memory of that side.
"""

import contextlib
import multiprocessing
import os
import resource
import sys
import time
import traceback

from minigooglenet.errors import UserError

#: What each library reads when it is loaded: the number of threads it may use.
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS",
                    "MINIGOOGLENET_THREADS")


def forget_peak():
    """Let ``peak_memory`` begin again from what is in use now. Linux only; elsewhere nothing happens."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def peak_memory():
    """The most memory this process had in use since it began, or since ``forget_peak``, in MB.

    VmHWM rather than getrusage's ru_maxrss where there is one: the latter begins, on Linux, with what the parent had
    when it started this process.
    """
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KB, on a Mac bytes
        return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _serve(pipe, make, arguments):
    """The life of a process: ``make(*arguments)`` gives an object; every message (method, arguments) calls it."""
    try:
        target = make(*arguments)
        pipe.send(("ready", None))
        while True:
            try:
                method, arguments = pipe.recv()
            except EOFError:
                return
            pipe.send(("done", getattr(target, method)(*arguments)))
    except KeyboardInterrupt:
        pass
    except UserError as error:
        pipe.send(("refused", str(error)))
    except BaseException:
        pipe.send(("failed", traceback.format_exc()))


class Worker:
    """An object in another process. ``Worker(make, arguments, threads)``, then ``worker.call("method", ...)``.

    Raises UserError with what went wrong there.
    """

    def __init__(self, make, arguments, threads):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, make, arguments), daemon=True)
        kept = {name: os.environ.get(name) for name in THREAD_VARIABLES}
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))  # inherited
        try:
            self.process.start()
        finally:
            for name, value in kept.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
        theirs.close()
        try:
            self._answer()
        except BaseException:
            self.close()
            raise

    def call(self, method, *arguments):
        self.pipe.send((method, arguments))
        return self._answer()

    def _answer(self):
        try:
            kind, value = self.pipe.recv()
        except EOFError:
            self.process.join()
            raise UserError(f"a process died with code {self.process.exitcode}; is there enough memory?") from None
        if kind == "refused":
            raise UserError(value)
        if kind == "failed":
            raise UserError(f"a side failed:\n{value}")
        return value

    def close(self):
        self.pipe.close()
        self.process.join(5)
        if self.process.is_alive():
            self.process.terminate()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


class Bench:
    """What lives in the process of a side: the side, and a clock."""

    def __init__(self, name, work, threads):
        from .side import load
        began = time.perf_counter()
        cls = load(name)
        self.loaded = peak_memory()
        self.side = cls(work, threads)
        self.build_seconds, self.check_seconds = time.perf_counter() - began, 0.0

    def facts(self):
        """Versions and threads; seconds from importing the engine until it was ready, and of the checked step, which is
        the first and compiles; MB in use once the engine was imported."""
        return self.side.facts() | {"build_seconds": self.build_seconds, "check_seconds": self.check_seconds,
                                    "loaded_mb": self.loaded}

    def check(self):
        """What the side computes; its peak of memory starts afterwards, without reading weights and comparing."""
        began = time.perf_counter()
        numbers = self.side.check()
        self.check_seconds = time.perf_counter() - began
        return numbers

    def time(self, steps):
        """Seconds of each of so many steps."""
        seconds = []
        for _ in range(steps):
            began = time.perf_counter()
            self.side.step()
            seconds.append(time.perf_counter() - began)
        return seconds

    def forget_peak(self):
        forget_peak()

    def memory(self):
        return peak_memory()
