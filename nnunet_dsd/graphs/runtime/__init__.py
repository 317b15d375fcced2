"""What every deployed model runs by: numpy and a runtime, nothing of torch, and of the rest of this package
what `common` has of errors, whole files and hashes.

These modules become a part of `predict.py` in the folder of a deployed model (see `nnunet_dsd.graphs.single_file`).
"""
