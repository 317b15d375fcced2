"""Names of clip encoders and what stands behind them. Light: imports no encoder and no torch."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.common.likeness import listed

FRAME_ENCODER_PREFIX = "timm:"


@dataclass(frozen=True, kw_only=True)
class EncoderEntry:
    """One clip encoder.

    Attributes:
        name: What users type; of a frame encoder only the prefix.
        target: `package.module:function`, imported only by `load`; the function takes the name, frames, size and
            options and returns a `BuiltEncoder`.
        summary: One line.
        hub: Where its pre-trained weights can be downloaded from, as users type it; empty where there are none.
        clip: The only frames and size in pixels that it takes; None where it takes several.
    """

    name: str
    target: str
    summary: str
    hub: str = ""
    clip: tuple[int, int] | None = None

    def load(self) -> Callable[..., Any]:
        """Return the function that builds it."""
        module, _, function = self.target.partition(":")
        built: Callable[..., Any] = getattr(importlib.import_module(module), function)
        return built


def _torchvision(name: str, summary: str, builder: str, clip: tuple[int, int] | None = None) -> EncoderEntry:
    target = f"video_triplet.clips.torchvision_encoders:{builder}"
    return EncoderEntry(name=name, target=target, summary=f"torchvision's {summary}", hub="torchvision", clip=clip)


ENTRIES: tuple[EncoderEntry, ...] = (
    EncoderEntry(
        name="c3d", target="video_triplet.clips.c3d:build", summary="C3D with batch norm and average pool, 512 features"
    ),
    EncoderEntry(
        name="r2plus1d_small",
        target="video_triplet.clips.r2plus1d:build",
        summary="R(2+1)D with one block per stage, 512 features",
    ),
    _torchvision("r2plus1d_18", "R(2+1)D with 18 layers, 512 features", "build_resnet"),
    _torchvision("r3d_18", "R3D with 18 layers, 512 features", "build_resnet"),
    _torchvision("mvit_v1_b", "MViT-B, 768 features", "build_mvit", (16, 224)),
    _torchvision("mvit_v2_s", "MViTv2-S, 768 features", "build_mvit", (16, 224)),
    _torchvision("swin3d_t", "Video Swin-T, 768 features", "build_swin"),
    _torchvision("swin3d_s", "Video Swin-S, 768 features", "build_swin"),
    _torchvision("swin3d_b", "Video Swin-B, 1024 features", "build_swin"),
    EncoderEntry(
        name=f"{FRAME_ENCODER_PREFIX}NAME",
        target="video_triplet.clips.frame_encoders:build",
        summary="any timm model on each frame, features averaged over the frames",
        hub="timm",
    ),
)


def find_encoder(name: str) -> EncoderEntry:
    """Return the entry of an encoder.

    Raises:
        NetworkStructureError: if there is none of that name, with the names there are.
    """
    by_name = {entry.name: entry for entry in ENTRIES}
    key = f"{FRAME_ENCODER_PREFIX}NAME" if name.startswith(FRAME_ENCODER_PREFIX) else name
    if key not in by_name:
        raise NetworkStructureError(f"there is no clip encoder {name!r}; there are {listed(name, by_name)}")
    return by_name[key]
