"""MISSU-style heads: multi-scale fusion of the skip connections, which then teach the decoder.

MISSU (Wang et al., "MISSU: 3D medical image segmentation via self-distilling TransUNet", 2023) published its code in
part only. Known: pairs of a decoder feature after each upsampling block (student) and the same-scale encoder feature,
refined by a multi-scale fusion block and detached (teacher). *Inferred*: what the block is made of, and that it learns
from a segmentation head of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.distillation.dual_settings import BottleneckInit
from nnunet_dsd.networks.bottleneck import CONVOLUTIONS, BottleneckModule
from nnunet_dsd.networks.taps import TappedHeads
from nnunet_dsd.networks.ushape import Level, UShape

DILATIONS = (1, 2, 3)


class MissuOutput(NamedTuple):
    """What a network with MISSU-style heads returns in training mode.

    `main` is the network's own output, logits `(B, C, *S)`; `teachers` are the logits of the fusion blocks' own heads,
    each `(B, C, *S)`; `student_features` and `teacher_features` are pairs `(B, F, *S / scale)` of one scale, fine to
    coarse.
    """

    main: Tensor
    teachers: tuple[Tensor, ...]
    student_features: tuple[Tensor, ...]
    teacher_features: tuple[Tensor, ...]

    def map_volumes(self, change: Callable[[Tensor], Tensor]) -> MissuOutput:
        """Return the output with `change` applied to all logits and features."""
        return MissuOutput(
            main=change(self.main),
            teachers=tuple(change(logits) for logits in self.teachers),
            student_features=tuple(change(features) for features in self.student_features),
            teacher_features=tuple(change(features) for features in self.teacher_features),
        )


class MultiScaleFusion(nn.Module):
    """Parallel 3x3(x3) convolutions with dilations 1, 2 and 3, a 1x1 projection of all three, and a residual.

    Inferred from the abstract's "series of atrous convolutions".

    Args:
        in_channels: Channels of the encoder's feature.
        out_channels: Channels of the decoder's feature that is compared with it.
        dimensions: Number of spatial axes.
    """

    def __init__(self, in_channels: int, out_channels: int, *, dimensions: int) -> None:
        super().__init__()
        convolution = CONVOLUTIONS[dimensions]
        self.branches = nn.ModuleList(
            convolution(in_channels, in_channels, kernel_size=3, padding=rate, dilation=rate) for rate in DILATIONS
        )
        self.project = convolution(len(DILATIONS) * in_channels, out_channels, kernel_size=1)
        same = in_channels == out_channels
        self.residual = nn.Identity() if same else convolution(in_channels, out_channels, kernel_size=1)
        self.activation = nn.LeakyReLU(0.01)

    def forward(self, features: Tensor) -> Tensor:
        """Return refined features `(B, out_channels, *S)` of features `(B, in_channels, *S)`."""
        scales = torch.cat([self.activation(branch(features)) for branch in self.branches], dim=1)
        refined: Tensor = self.residual(features) + self.project(scales)
        return refined


@dataclass(frozen=True)
class Pair:
    """A decoder level and the encoder level of the same scale."""

    student: Level
    teacher: Level


def missu_pairs(shape: UShape) -> tuple[Pair, ...]:
    """Return the pairs of one scale, fine to coarse.

    Raises:
        NetworkStructureError: if no decoder has an encoder of its scale.
    """
    encoders = {level.scale: level for level in shape.encoders}
    pairs = tuple(Pair(level, encoders[level.scale]) for level in shape.decoders if level.scale in encoders)
    if not pairs:
        raise NetworkStructureError(
            "MISSU-style distillation pairs decoders with the encoders of their scale, but no two have the same: "
            f"encoders {list(encoders)}, decoders {[level.scale for level in shape.decoders]}"
        )
    return pairs


class MissuHeads(TappedHeads):
    """A fusion block and a segmentation head for every pair (see `networks.taps.attach`).

    Args:
        shape: The network's levels.
        classes: Output channels of the network.
        init: How the heads' deconvolutions start, as for `BottleneckModule`.
    """

    def __init__(self, shape: UShape, classes: int, *, init: BottleneckInit = "nearest") -> None:
        pairs = missu_pairs(shape)
        super().__init__(level.name for pair in pairs for level in (pair.student, pair.teacher))
        self.pairs = pairs
        self.fusions = nn.ModuleList(
            MultiScaleFusion(pair.teacher.channels, pair.student.channels, dimensions=shape.dimensions)
            for pair in self.pairs
        )
        self.classifiers = nn.ModuleList(
            BottleneckModule(pair.student.channels, classes, pair.student.scale, init=init) for pair in self.pairs
        )

    def training_output(self, main: Tensor, features: Mapping[str, Tensor]) -> MissuOutput:
        """Return the network's output with the pairs of features and the fusion blocks' own segmentations."""
        refined = tuple(
            fusion(features[pair.teacher.name]) for fusion, pair in zip(self.fusions, self.pairs, strict=True)
        )
        return MissuOutput(
            main=main,
            teachers=tuple(head(item) for head, item in zip(self.classifiers, refined, strict=True)),
            student_features=tuple(features[pair.student.name] for pair in self.pairs),
            teacher_features=refined,
        )
