"""Holding every side to AVX2, for the many processors that have nothing wider: environment variables that the engines
read when they are loaded, in the processes of ``worker.py``."""

import contextlib
import os
from collections.abc import Iterator, Sequence

from .side import SIDES

ISAS = ("avx2",)

#: What each library reads. OpenVINO contains a copy of oneDNN.
AVX2 = {
    "NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "",                             # our kernels
    "OPENBLAS_CORETYPE": "Haswell",                                                    # NumPy's BLAS
    "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2",                  # PyTorch
    "ONEDNN_MAX_CPU_ISA": "AVX2", "DNNL_MAX_CPU_ISA": "AVX2",                          # PyTorch, OpenVINO
    "OPENCV_CPU_DISABLE": "AVX512_SKX,AVX512_COMMON,AVX512_KNL,AVX512_KNM,AVX512_CNL,AVX512_CLX,AVX512_ICL",
}

#: Sides that have no such setting.
FREE = ("onnxruntime",)


@contextlib.contextmanager
def held_to(isa: str | None) -> Iterator[None]:
    """Processes that start inside this context use no wider instructions; None: all that there are."""
    variables = AVX2 | _numpy() if isa == "avx2" else {}
    kept = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in kept.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _numpy() -> dict[str, str]:
    """What NumPy's own loops would choose above AVX2 on this machine."""
    with contextlib.suppress(ImportError):
        from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
        names = [name for name in __cpu_dispatch__ if __cpu_features__.get(name)]
        wide = [name for name in names if name.startswith(("AVX512", "X86_V4"))]
        return {"NPY_DISABLE_CPU_FEATURES": " ".join(wide)} if wide else {}
    return {}


def remarks(isa: str | None, sides: Sequence[str]) -> list[str]:
    """A line for each side that cannot be held to ``isa``."""
    return [f"{SIDES[name].title} has no setting for it: it uses all instructions, and goals leave it out"
            for name in sides if isa and name in FREE]
