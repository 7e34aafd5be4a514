"""A process for each side, which runs one method at a time, on request.

This way the threads, allocators and BLAS settings of the sides do not affect each other, the sides can still alternate
in one run, and the peak memory of a process is that of its side.
"""

import contextlib
import multiprocessing
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from minigooglenet.errors import UserError

if TYPE_CHECKING:  # a process loads no more than its side needs
    from .work import Work

#: Libraries read these when they are loaded: the number of threads they may use.
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS",
                    "MINIGOOGLENET_THREADS")


def reset_peak_memory() -> None:
    """Let ``peak_memory`` start again from the memory in use now. Linux only; elsewhere nothing happens."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def peak_memory() -> float:
    """The most memory in MB that this process has used since it started, or since ``reset_peak_memory``.

    VmHWM where it exists, rather than getrusage's ru_maxrss: on Linux the latter starts with the parent's memory at the
    time it started this process.
    """
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KB, on macOS bytes
        return used / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _serve(pipe, make, arguments):
    """The loop of a process: ``make(*arguments)`` creates an object; each message (method, arguments) calls it."""
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
    """An object in another process: ``Worker(make, arguments, threads)``, then ``worker.call("method", ...)``.

    Raises UserError with the error of the other process.
    """

    def __init__(self, make: Callable[..., Any], arguments: tuple[Any, ...], threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, make, arguments), daemon=True)
        kept = {name: os.environ.get(name) for name in THREAD_VARIABLES}
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))  # the process inherits them
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

    def call(self, method: str, *arguments: Any) -> Any:
        """The result of a method of the object."""
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

    def close(self) -> None:
        """End the process."""
        self.pipe.close()
        self.process.join(5)
        if self.process.is_alive():
            self.process.terminate()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Bench:
    """The object in the process of a side: it runs and times the side."""

    def __init__(self, name: str, work: "Work", threads: int) -> None:
        from .side import load
        began = time.perf_counter()
        cls = load(name)
        self.loaded = peak_memory()
        self.side = cls(work, threads)
        self.build_seconds, self.check_seconds = time.perf_counter() - began, 0.0

    def facts(self) -> dict[str, Any]:
        """Versions and threads; the seconds from importing the engine until it is ready, and those of the checked step,
        which is the first and compiles; the MB in use after the engine is imported."""
        return self.side.facts() | {"build_seconds": self.build_seconds, "check_seconds": self.check_seconds,
                                    "loaded_mb": self.loaded}

    def check(self) -> dict[str, NDArray]:
        """What the side computes, for comparison."""
        began = time.perf_counter()
        values = self.side.check()
        self.check_seconds = time.perf_counter() - began
        return values

    def time(self, steps: int) -> list[float]:
        """The seconds of each of ``steps`` steps."""
        seconds = []
        for _ in range(steps):
            began = time.perf_counter()
            self.side.step()
            seconds.append(time.perf_counter() - began)
        return seconds

    def reset_peak_memory(self) -> None:
        """Forget the memory that loading weights and the check have used."""
        reset_peak_memory()

    def memory(self) -> float:
        """Peak memory in MB."""
        return peak_memory()
