"""What every deployed model runs by: numpy and a runtime, nothing of torch or the rest of this package.

These modules become a part of `predict.py` in the folder of a deployed model (see `nnunet_dsd.graphs.single_file`).
"""
