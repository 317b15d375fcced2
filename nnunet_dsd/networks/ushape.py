"""The levels of a U-shaped network: names, channels and scales. Stage 0 is full resolution."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from nnunet_dsd.common.errors import NetworkStructureError


@dataclass(frozen=True)
class Level:
    """One level whose features become soft labels.

    `name` is the module's path inside the network, `channels` its feature channels, and `scale` the downsampling
    factor per spatial axis relative to the network's input, in voxels per feature voxel.
    """

    name: str
    channels: int
    scale: tuple[int, ...]

    @classmethod
    def isotropic(cls, name: str, channels: int, scale: int, *, dimensions: int) -> Level:
        """Return a level that is downsampled alike on all spatial axes."""
        return cls(name, channels, (scale,) * dimensions)


@dataclass(frozen=True)
class UShape:
    """Encoders 1 to Z (from full resolution down) and decoders 1 to Z (from the output down to the bottleneck).

    The last decoder block only feeds the network's output and is no level of dual self-distillation; `last` names it
    where it is known. The bottleneck's own map is decoder Z.

    Raises:
        NetworkStructureError: if the levels do not form a U.
    """

    encoders: tuple[Level, ...]
    decoders: tuple[Level, ...]
    last: Level | None = None

    def __post_init__(self) -> None:
        """Refuse level lists that do not form a U, all reasons at once."""
        problems = _side_problems("encoder", self.encoders) + _side_problems("decoder", self.decoders)
        names = [level.name for level in (*self.encoders, *self.decoders)]
        problems += [f"the module '{name}' is listed twice" for name in dict.fromkeys(names) if names.count(name) > 1]
        if problems:
            raise NetworkStructureError("these levels do not form a U: " + "; ".join(problems))

    @property
    def dimensions(self) -> int:
        """Number of spatial axes."""
        return len(self.encoders[0].scale)

    @property
    def total_scale(self) -> tuple[int, ...]:
        """Downsampling per axis at the coarsest level."""
        return _coarsest((*self.encoders, *self.decoders))


@dataclass(frozen=True)
class EncoderLevels:
    """The levels of a network without a decoder, from fine to coarse; the last one feeds the output.

    Such a network can be taught by another one, but has no U to distil itself in.
    """

    encoders: tuple[Level, ...]

    @property
    def total_scale(self) -> tuple[int, ...]:
        """Downsampling per axis at the coarsest level."""
        return _coarsest(self.encoders)


NetworkLevels: TypeAlias = UShape | EncoderLevels


def u_shape(levels: NetworkLevels) -> UShape:
    """Return the levels of a U-shaped network as they are.

    Raises:
        NetworkStructureError: if the network has no decoder.
    """
    if isinstance(levels, EncoderLevels):
        raise NetworkStructureError(
            f"a network without a decoder ({', '.join(level.name for level in levels.encoders)}) cannot distil itself; "
            "take a U-shaped one, or teach it by another network (HLFD)"
        )
    return levels


def _coarsest(levels: Iterable[Level]) -> tuple[int, ...]:
    return tuple(max(axis) for axis in zip(*(level.scale for level in levels), strict=True))


def cumulative_scales(strides: Sequence[int | Iterable[int]], stages: int, *, dimensions: int) -> list[tuple[int, ...]]:
    """Return the downsampling per axis after each stage from strides that may be numbers or lists of numbers."""
    scales: list[tuple[int, ...]] = []
    current = (1,) * dimensions
    for stride in list(strides)[:stages]:
        per_axis = (int(stride),) * dimensions if isinstance(stride, int) else tuple(int(s) for s in stride)
        if len(per_axis) == 1:
            per_axis *= dimensions
        current = tuple(a * b for a, b in zip(current, per_axis, strict=True))
        scales.append(current)
    return scales


def _side_problems(side: str, levels: Sequence[Level]) -> list[str]:
    if len(levels) < 2:
        return [f"at least 2 {side} levels are needed, got {len(levels)}; the network needs 3 stages or more"]
    problems = []
    for finer, coarser in itertools.pairwise(levels):
        shrinks = len(finer.scale) == len(coarser.scale) and all(
            b % a == 0 for a, b in zip(finer.scale, coarser.scale, strict=True)
        )
        if not shrinks or math.prod(coarser.scale) <= math.prod(finer.scale):
            problems.append(
                f"{side} '{coarser.name}' (scale {coarser.scale}) must be coarser than '{finer.name}' "
                f"(scale {finer.scale}) by whole factors; list the levels from fine to coarse"
            )
    return problems


def check_patch_size(total_scale: Sequence[int], patch_size: Sequence[int]) -> None:
    """Refuse a patch that the network cannot halve often enough.

    Args:
        total_scale: Downsampling per axis at the network's coarsest level.
        patch_size: Voxels per axis.

    Raises:
        NetworkStructureError: if an axis is not a multiple of the total downsampling, or if the coarsest map would be
            a single voxel, which instance normalisation cannot train on.
    """
    if len(patch_size) != len(total_scale):
        raise NetworkStructureError(
            f"patch size {tuple(patch_size)} has {len(patch_size)} axes, this network works on {len(total_scale)}"
        )
    coarsest = tuple(size // scale for size, scale in zip(patch_size, total_scale, strict=True))
    divisible = all(size % scale == 0 for size, scale in zip(patch_size, total_scale, strict=True))
    if not divisible or math.prod(coarsest) <= 1:
        usable = tuple(max(2, round(p / s)) * s for p, s in zip(patch_size, total_scale, strict=True))
        raise NetworkStructureError(
            f"patch size {tuple(patch_size)} does not fit a network that downsamples by {tuple(total_scale)}: "
            f"each axis must be a multiple of it, with more than one voxel left at the coarsest stage. The nearest "
            f"that fits is {usable}: give it with `nnunet-dsd plan --patch-size`, or plan a network with fewer stages"
        )
