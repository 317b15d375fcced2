"""Trained models of triplets as folders that run without PyTorch and this package."""
