"""Surgical action triplets: companion of `nnunet_dsd`, sharing its trainer registry and its errors.

This release holds the package and its place in the registry; readers, trainers and the metric are under way
(see CHANGELOG.md).
"""
