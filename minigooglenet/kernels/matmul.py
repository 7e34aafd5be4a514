"""The matrix product that layers use: NumPy's, in parallel on the package's threads."""

import numpy as np
from numpy.typing import NDArray

from .threads import over_parts


def matmul(a: NDArray, b: NDArray) -> NDArray:
    """a @ b for matrices a (M, K) and b (K, N) -> (M, N).

    The rows of the result are computed in up to eight parts, in parallel, each by BLAS on one thread. The parts depend
    on M only, so the bits are the same for any number of threads.
    """
    y = np.empty((len(a), b.shape[1]), np.result_type(a, b))
    over_parts(lambda rows: np.matmul(a[rows], b, out=y[rows]), len(a))
    return y
