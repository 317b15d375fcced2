"""Trained models as folders that run without PyTorch, nnU-Net and this package."""
