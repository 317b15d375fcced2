"""Padding inside a network, for patch sizes it cannot take: zeros around the input, the same margin off the output."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn
from torch.nn import functional

from nnunet_dsd.common.errors import NetworkStructureError


@runtime_checkable
class VolumeOutput(Protocol):
    """A training output with more than one tensor on the network's grid."""

    def map_volumes(self, change: Callable[[Tensor], Tensor]) -> Any:
        """Return the output with `change` applied to every tensor `(B, ..., *S / scale)`."""


def padded_size(patch_size: Sequence[int], multiple: Sequence[int]) -> tuple[int, ...]:
    """Return the patch size in voxels, each axis raised to the next multiple.

    Args:
        patch_size: Voxels per axis.
        multiple: What the network's input must be a multiple of, per axis.

    Raises:
        NetworkStructureError: if the coarsest map would be one voxel, which instance normalisation cannot train on.
    """
    size = tuple(step * math.ceil(patch / step) for patch, step in zip(patch_size, multiple, strict=True))
    if all(padded == step for padded, step in zip(size, multiple, strict=True)):
        one_axis = (*size[:-1], 2 * size[-1])
        raise NetworkStructureError(
            f"patch size {tuple(patch_size)} leaves a single voxel at the coarsest stage of a network that downsamples "
            f"by {tuple(multiple)}; it needs more than {size[-1]} voxels along one axis at least, for example "
            f"{one_axis}: give it with `nnunet-dsd plan --patch-size`"
        )
    return size


def padding_cost(patch_size: Sequence[int], size: Sequence[int]) -> float:
    """Return how many times the patch's voxels the network computes on."""
    return math.prod(size) / math.prod(patch_size)


def pad_inside(network: nn.Module, patch_size: Sequence[int], size: Sequence[int]) -> None:
    """Make a network take patches of one size by padding them with zeros; do nothing where it takes them anyway.

    The output is exactly that of the network on the padded patch, cropped to the patch. The margin is split between
    both ends of an axis, the odd voxel at its end. Do it before torch.compile.

    Args:
        network: The network, changed in place.
        patch_size: Voxels per axis of what it will be given; other sizes are then refused.
        size: Voxels per axis of what it computes on, none smaller.
    """
    if tuple(patch_size) != tuple(size):
        padding = Padding(patch_size, size)
        network.register_forward_pre_hook(padding.pad)
        network.register_forward_hook(padding.crop)


def padding_of(network: nn.Module) -> Padding | None:
    """Return the padding that `pad_inside` gave a network; None where it computes on what it is given."""
    for hook in network._forward_pre_hooks.values():
        owner = getattr(hook, "__self__", None)
        if isinstance(owner, Padding):
            return owner
    return None


class Padding:
    """The two hooks of `pad_inside`; `patch_size` and `size` are voxels per axis outside and inside."""

    def __init__(self, patch_size: Sequence[int], size: Sequence[int]) -> None:
        self.patch_size, self.size = tuple(patch_size), tuple(size)
        before = [(padded - patch) // 2 for patch, padded in zip(patch_size, size, strict=True)]
        self.window = tuple(slice(start, start + patch) for start, patch in zip(before, patch_size, strict=True))
        margins = [
            (start, padded - patch - start) for start, patch, padded in zip(before, patch_size, size, strict=True)
        ]
        self.margins = [voxels for margin in reversed(margins) for voxels in margin]

    def pad(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Forward pre-hook: surround the image `(B, C, *patch_size)` by zeros."""
        image, *others = inputs
        if tuple(image.shape[2:]) != self.patch_size:
            raise NetworkStructureError(
                f"this network was built for patches of {self.patch_size} voxels, got {tuple(image.shape[2:])}"
            )
        return (functional.pad(image, self.margins), *others)

    def crop(self, module: nn.Module, inputs: Any, output: Any) -> Any:
        """Forward hook: cut the margin off everything that lies on the network's grid."""
        return self.cut(output) if isinstance(output, Tensor) else output.map_volumes(self.cut)

    def cut(self, volume: Tensor) -> Tensor:
        """Cut the margin off a map of any scale; a feature voxel that lies partly in the patch stays."""
        index: list[Any] = [slice(None), slice(None)]
        for part, whole, here in zip(self.window, self.size, volume.shape[2:], strict=True):
            scale = whole // here
            index.append(slice(part.start // scale, -(-part.stop // scale)))
        return volume[tuple(index)]
