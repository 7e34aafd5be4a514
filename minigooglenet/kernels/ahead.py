"""Compile kernels before they are called, in several processes, which hand them over in the cache on disk.

numba compiles a kernel when it is first called, one kernel after the other, for a training step some 20 seconds long.
So a command that trains first calls ``compile_for``, which

    traces     which kernels the first step calls, with arguments of which types (the kernels do nothing meanwhile), and
    compiles   those that are not in the cache. The processes take them from a common list, the largest first.

Nothing depends on it: what is missing afterwards is compiled by the first call, as usual.
"""

import contextlib
import functools
import hashlib
import importlib
import os
import pickle
import pkgutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from .jit import JIT, KERNELS, STAMP
from .threads import one_thread, threads

MOST = 4  # processes: the two largest kernels are a third of the work

Wanted: TypeAlias = list[tuple[Any, list[tuple]]]  # (kernel, its signatures)


def compile_for(run: Callable[[], object], what: object, quiet: bool = False) -> None:
    """Compile the kernels that ``run()`` calls, several at a time, with a progress bar on standard error.

    ``run`` works on copies: the kernels that it calls return without computing, so what it computes is meaningless.
    ``what`` says, by its repr, on what the kernels depend: a second start with the same finds a stamp in the cache and
    does not trace again.
    """
    if not JIT or (stamp := stamp_for(what)) and stamp.exists():
        return
    wanted = [(kernel, missing) for kernel, signatures in trace(run) if (missing := not_cached(kernel, signatures))]
    if wanted:
        compile_all(wanted, quiet)
    if stamp and not any(not_cached(kernel, signatures) for kernel, signatures in wanted):
        with contextlib.suppress(OSError):
            stamp.touch()


def stamp_for(what: object) -> Path | None:
    """The file that says that the kernels for ``what`` are in the cache; ``jit.clear_stale_cache`` removes it."""
    import numba
    place = KERNELS[0].stats.cache_path if KERNELS else None
    target = KERNELS[0].targetctx.codegen().magic_tuple() if place else ()
    content = repr((what, sys.version, numba.__version__, target))
    return Path(place, f"{STAMP}{hashlib.sha256(content.encode()).hexdigest()[:16]}") if place else None


# -- which kernels ----------------------------------------------------------------------------------------------------


def trace(run: Callable[[], object]) -> Wanted:
    """The kernels, not compiled yet in this process, that ``run()`` calls in this thread or asks to be compiled, with
    their signatures."""
    package = importlib.import_module(__package__)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{__package__}.{module.name}")  # before KERNELS is read
    found: dict[Any, dict[tuple, None]] = {}  # ordered sets
    tracing = threading.get_ident()

    def instead(kernel):
        """A function that returns what shall run instead of a kernel that would now be compiled. Most kernels only
        write into their arguments: nothing runs. Those that return something have a NumPy form."""
        name = kernel.py_func.__name__
        module = sys.modules[kernel.py_func.__module__]
        numpy_form = getattr(module, name.removesuffix("_numba") + "_numpy", None) if name.endswith("_numba") else None

        def called(*arguments):
            if threading.get_ident() != tracing:
                return type(kernel)._compile_for_args(kernel, *arguments)
            found.setdefault(kernel, {})[tuple(map(kernel.typeof_pyval, arguments))] = None
            return numpy_form or (lambda *arguments: None)
        return called

    def wanted(kernel, signature):
        """Instead of compiling a kernel that a plan has (``plan_llvm.py``)."""
        if threading.get_ident() != tracing:
            type(kernel).compile(kernel, signature)
        elif signature not in kernel.overloads:
            found.setdefault(kernel, {})[signature] = None

    try:
        for kernel in KERNELS:
            kernel._compile_for_args = instead(kernel)
            kernel.compile = functools.partial(wanted, kernel)
        with one_thread(), np.errstate(all="ignore"), contextlib.suppress(ArithmeticError):
            run()
    finally:
        for kernel in KERNELS:
            vars(kernel).pop("_compile_for_args", None)
            vars(kernel).pop("compile", None)
    return [(kernel, list(signatures)) for kernel, signatures in found.items()]


def not_cached(kernel: Any, signatures: list[tuple]) -> list[tuple]:
    """The signatures of a kernel for which there is no machine code, neither here nor on disk."""
    holds = getattr(kernel._cache, "holds", lambda *_: False)
    return [one for one in signatures if one not in kernel.overloads and not holds(one, kernel.targetctx)]


# -- in several processes ---------------------------------------------------------------------------------------------


def compile_all(wanted: Wanted, quiet: bool = False) -> None:
    """Compile kernels in this process and in others. It loads none of theirs: the first call does."""
    from tqdm import tqdm
    wanted = sorted(wanted, key=lambda item: -weight(item[0], set()) * len(item[1]))
    total = sum(len(signatures) for _, signatures in wanted)
    title = f"compiling {total} kernel{'s' if total > 1 else ''}, once"
    bar = tqdm(total=total, desc=title, bar_format="{desc} |{bar}| {n_fmt}/{total_fmt} {elapsed}", file=sys.stderr,
               dynamic_ncols=True, leave=False, disable=quiet or None)
    if not quiet and bar.disable and sys.stderr is not None:
        tqdm.write(f"{title} ...", file=sys.stderr)
    with bar, tempfile.TemporaryDirectory() as name, helpers(wanted, Path(name)) as others:
        folder = Path(name)
        for _ in work(wanted, folder):
            show(bar, folder)
        while len(list(folder.glob("*.done"))) < total and any(other.poll() is None for other in others):
            time.sleep(0.05)
            show(bar, folder)


def show(bar: Any, folder: Path) -> None:
    """Move the bar to the number of kernels that all processes have compiled."""
    bar.update(len(list(folder.glob("*.done"))) - bar.n)


def weight(kernel: Any, seen: set[Any]) -> int:
    """The size of a kernel's bytecode and of all that it calls: how long it takes to compile, roughly."""
    seen.add(kernel)
    code, scope = kernel.py_func.__code__, kernel.py_func.__globals__
    called = {scope.get(name) for name in code.co_names if hasattr(scope.get(name), "py_func")} - seen
    return len(code.co_code) + sum(weight(one, seen) for one in called)


def work(wanted: Wanted, folder: Path, go_on: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """Compile, one after the other, kernels that no other process has taken."""
    for k, (kernel, signatures) in enumerate(wanted):
        if not go_on():
            return
        try:
            (folder / f"{k}.taken").touch(exist_ok=False)
        except FileExistsError:
            continue
        for n, signature in enumerate(signatures):
            kernel.compile(signature)
            (folder / f"{k}.{n}.done").touch()
            yield


#: What another process runs. It finds modules where this one does, whatever its folder and environment.
COMMAND = """\
import pickle, sys
sys.path[:] = pickle.load(sys.stdin.buffer)
from minigooglenet.kernels.ahead import help_compile
help_compile()"""


@contextlib.contextmanager
def helpers(wanted: Wanted, folder: Path) -> Iterator[list[subprocess.Popen]]:
    """Other processes that compile ``wanted``. They end with the context."""
    started: list[subprocess.Popen] = []
    count = min(threads(), MOST, len(wanted)) - 1
    places = [kernel.stats.cache_path for kernel, _ in wanted]
    if not sys.executable or not all(place and os.access(place, os.W_OK) for place in places):
        count = 0  # they could not hand anything over
    try:
        for _ in range(count):
            with contextlib.suppress(OSError):
                other = subprocess.Popen([sys.executable, "-c", COMMAND], stdin=subprocess.PIPE,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                started.append(other)
                assert other.stdin
                pickle.dump(sys.path, other.stdin)
                pickle.dump((os.getpid(), str(folder), [(kernel.py_func.__module__, kernel.py_func.__name__, signatures)
                                                        for kernel, signatures in wanted]), other.stdin)
                other.stdin.close()
        yield started
    finally:
        for other in started:
            other.terminate()
            other.wait()


def help_compile() -> None:
    """Run by another process: compile what the first one wants, until that ends."""
    parent, folder, named = pickle.load(sys.stdin.buffer)
    wanted = [(getattr(importlib.import_module(module), name), signatures) for module, name, signatures in named]
    for _ in work(wanted, Path(folder), lambda: os.getppid() == parent):
        pass
