"""Refuses half precision where this machine's PyTorch computes wrong gradients in it."""

from __future__ import annotations

import math

import torch
from torch import nn

from nnunet_dsd.common.errors import SetupError

TOLERANCE = 0.1  # bfloat16's own rounding stays below 0.01


def refuse_wrong_gradients(network: nn.Module, *, accelerator: str, precision: str) -> None:
    """Refuse bfloat16 on a CPU whose 3-D convolutions get wrong gradients in it, silently and at times not finite.

    PyTorch 2.14 with oneDNN does so on maps of two slices, as the last ones of C3D and R(2+1)D.

    Args:
        network: The one to be trained.
        accelerator: What it is trained on, as PyTorch names it: `"cpu"`, `"cuda"`, ...
        precision: As Lightning's.

    Raises:
        SetupError: if the training would go wrong.
    """
    concerned = accelerator == "cpu" and precision.startswith("bf16")
    convolves = any(isinstance(module, nn.Conv3d) for module in network.modules())
    if concerned and convolves and gradient_error(torch.bfloat16) > TOLERANCE:
        raise SetupError(
            f"--precision {precision}: PyTorch {torch.__version__} computes wrong gradients of 3-D convolutions in "
            "bfloat16 on this CPU. Train with --precision 32-true, or on a GPU."
        )


def gradient_error(dtype: torch.dtype) -> float:
    """Return how far a 3-D convolution's gradient by its weights is off on the CPU in a data type of autocast.

    Returns:
        The difference from the gradient in float32 over its norm; infinity where it is not finite.
    """
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(2, 16, 2, 3, 3, generator=generator)
    weights = torch.randn(16, 16, 3, 3, 3, generator=generator, requires_grad=True)

    def gradient() -> torch.Tensor:
        return torch.autograd.grad(nn.functional.conv3d(maps, weights, padding=1).float().square().sum(), weights)[0]

    exact = gradient()
    with torch.autocast("cpu", dtype):
        found = gradient()
    error = float((found - exact).norm() / exact.norm())
    return error if math.isfinite(error) else math.inf
