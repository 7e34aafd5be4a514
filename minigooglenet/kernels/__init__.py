"""The fast forms of the inner loops, and the switch between them and their plain twins.

Each name below lives twice, with the same signature: in ``minigooglenet/reference/FILE.py`` as plain NumPy that one
can read and trust, and in ``minigooglenet/kernels/FILE.py`` compiled by numba. The tests hold the two equal. The
layers say ``kernels.im2col(...)`` and do not know which one runs:

* by default the compiled one,
* with ``MINIGOOGLENET_JIT=0`` in the environment, or numba's own ``NUMBA_DISABLE_JIT=1``, the reference, and numba is
  never imported.

A file is imported when one of its names is first used, so counting operations or printing a table costs no start-up.
"""

import importlib
import os

JIT = os.environ.get("MINIGOOGLENET_JIT", "1") != "0" and os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")

_FILE_OF = {
    "im2col": "columns",
    "col2im": "columns",
    "max_pool": "pooling",
    "max_pool_backward": "pooling",
    "avg_pool": "pooling",
    "avg_pool_backward": "pooling",
    "relu": "pointwise",
    "relu_backward": "pointwise",
    "descend": "pointwise",
    "lrn": "normalise",
    "lrn_backward": "normalise",
    "channel_sums": "normalise",
    "channel_affine": "normalise",
    "channel_mix": "normalise",
    "crop_resize": "augment",
    "winograd_filter": "winograd",
    "winograd_filter_adjoint": "winograd",
    "pack": "product",
    **{name: "convolve" for name in ("convolve_pointwise", "convolve_columns", "convolve_winograd")},
    **{name: "convolve_back" for name in ("convolve_pointwise_back", "convolve_columns_back",
                                          "convolve_winograd_back")},
    **dict.fromkeys(("affine_relu", "relu_sums", "relu_mix", "batch_constants", "batch_constants_back"), "fused"),
}


def __getattr__(name):
    if name not in _FILE_OF:
        raise AttributeError(f"minigooglenet.kernels has no {name!r}")
    room = "kernels" if JIT else "reference"
    value = getattr(importlib.import_module(f"minigooglenet.{room}.{_FILE_OF[name]}"), name)
    globals()[name] = value
    return value
