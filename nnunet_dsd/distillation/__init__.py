"""The mathematics of distillation: pure PyTorch on bare tensors, no nnU-Net, no files."""
