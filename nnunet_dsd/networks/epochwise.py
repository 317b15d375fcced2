"""What a network shows of itself for epoch-wise self-distillation: its bottleneck."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

from nnunet_dsd.networks.taps import TappedHeads


class EpochOutput(NamedTuple):
    """What a network returns in training mode.

    `main` is its own output (with nnU-Net's deep supervision a list, full resolution first); `features` are those of
    its bottleneck, `(B, F, *S / scale)`.
    """

    main: Tensor | Sequence[Tensor]
    features: Tensor

    def map_volumes(self, change: Callable[[Tensor], Tensor]) -> EpochOutput:
        """Return this with every map and the features changed."""
        main = change(self.main) if isinstance(self.main, Tensor) else [change(maps) for maps in self.main]
        return EpochOutput(main, change(self.features))


class BottleneckTap(TappedHeads):
    """Shows a network's bottleneck while it trains; has no weights (see `networks.taps.attach`).

    Args:
        name: Path of the bottleneck inside the network.
    """

    def __init__(self, name: str) -> None:
        super().__init__([name])

    def training_output(self, main: Tensor | Sequence[Tensor], features: Mapping[str, Tensor]) -> EpochOutput:
        """Return the network's output with the bottleneck's features."""
        return EpochOutput(main, features[self.tapped_names[0]])
