"""Numerical kernels: one file per operation, the NumPy form on top and its numba form below.

One line at the end of each file chooses between the two (see ``jit.py``). Callers import kernels by name:
``from ..kernels.im2col import im2col``.

    im2col  max_pool  max_pool_backward  avg_pool
    relu  lrn  per_channel                                used by layers/
    momentum  crop_resize                                 a step of the optimizer; cropping and resizing training images
    gemm  winograd  conv_forward  conv_backward           whole convolutions, used by engine/
    fused  batch_norm  channels                           what follows them in training
    plan  plan_ops                                        all of these as a table of tasks, executed in one call
    naive_conv                                            its definition, seven loops: for tests and lessons
    geometry  threads  blas  matmul  jit  memory  simd  simd_llvm  llvm  plan_llvm   shared by the others
    ahead                                                 compiles kernels before they are called
"""
