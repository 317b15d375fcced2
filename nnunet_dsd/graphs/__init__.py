"""Networks as graphs of a runtime: writing, quantising, and the one file that computes them without PyTorch."""
