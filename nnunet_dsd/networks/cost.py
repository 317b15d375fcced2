"""What a network costs: its parameters, the multiply-adds of a forward pass, the time of an inference."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


def parameter_count(network: nn.Module) -> int:
    """Return how many parameters a network has, those included that are not trained or not used for inference."""
    return sum(parameter.numel() for parameter in network.parameters())


@torch.no_grad()
def multiply_adds(network: nn.Module, image: Tensor) -> int:
    """Return the multiply-adds of convolutions and matrix products for `image` `(B, C, *S)`; half the FLOPs.

    Normalisation, activations, pooling and interpolation are not counted. The network is left in eval mode.
    """
    network.eval()
    with FlopCounterMode(display=False) as counter:
        network(image)
    return int(counter.get_total_flops()) // 2


@torch.no_grad()
def seconds_in_turn(
    networks: Sequence[nn.Module], images: Sequence[Tensor], *, rounds: int, threads: int
) -> list[list[float]]:
    """Return the wall time of each network's forward pass in each round; in a round each has one turn.

    Networks that are measured in turn suffer alike from other work on the machine. One pass of each comes before.

    Args:
        networks: In eval mode, on the CPU.
        images: One input `(B, C, *S)` for each.
        rounds: How often each is measured.
        threads: Of torch, while measuring.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        times: list[list[float]] = [[] for _ in networks]
        for turn in range(rounds + 1):
            for network, image, taken in zip(networks, images, times, strict=True):
                start = time.perf_counter()
                network(image)
                if turn > 0:
                    taken.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(before)
    return times


def median_ratio(seconds: Sequence[float], reference: Sequence[float]) -> float:
    """Return the median over the rounds of one network's time divided by another's."""
    return statistics.median(own / other for own, other in zip(seconds, reference, strict=True))
