"""What a deployed model runs by: numpy, scipy, SimpleITK and a runtime, nothing of torch, nnU-Net or this package.

These modules become one file, `predict.py`, in the folder of a deployed model (see `nnunet_dsd.graphs.single_file`).
They import one another in the order in which they are joined, and of the
rest of the package `graphs.runtime` and what that takes of `common`.
"""
