"""Metrics per case and structure, their tables and figures. Nothing here imports nnunetv2."""
