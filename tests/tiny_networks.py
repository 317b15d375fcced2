"""Tiny networks of the families this package works with, and what facts say about where their levels are."""

from dataclasses import dataclass

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from monai.networks.nets import DynUNet
from torch import nn

from nnunet_dsd.networks.dynunet import describe_dynunet
from nnunet_dsd.networks.staged import describe_staged_network

FEATURES = (4, 6, 8, 10)


def build_nnunet(strides, classes, *, residual=False, deep_supervision=False, features=FEATURES):
    dimensions, stages = len(strides[0]), len(strides)
    blocks = {"n_blocks_per_stage" if residual else "n_conv_per_stage": [1] * stages}
    return (ResidualEncoderUNet if residual else PlainConvUNet)(
        input_channels=1,
        n_stages=stages,
        features_per_stage=list(features[:stages]),
        conv_op={2: nn.Conv2d, 3: nn.Conv3d}[dimensions],
        kernel_sizes=3,
        strides=[list(stride) for stride in strides],
        num_classes=classes,
        n_conv_per_stage_decoder=[1] * (stages - 1),
        conv_bias=True,
        norm_op={2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}[dimensions],
        norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin=nn.LeakyReLU,
        nonlin_kwargs={"inplace": True},
        deep_supervision=deep_supervision,
        **blocks,
    )


def build_dynunet(strides, classes, *, filters=FEATURES):
    """As the authors build it: residual blocks, instance normalisation without parameters."""
    return DynUNet(
        spatial_dims=len(strides[0]),
        in_channels=1,
        out_channels=classes,
        kernel_size=[3] * len(strides),
        strides=[list(stride) for stride in strides],
        upsample_kernel_size=[list(stride) for stride in strides[1:]],
        filters=list(filters[: len(strides)]),
        norm_name="instance",
        res_block=True,
    )


@dataclass(frozen=True)
class Case:
    """One network to test on, with the places of its levels as facts/dsd.md and the authors' code give them."""

    name: str
    family: str
    strides: tuple
    patch: tuple
    classes: int

    def build(self):
        if self.family == "dynunet":
            return build_dynunet(self.strides, self.classes)
        return build_nnunet(self.strides, self.classes, residual=self.family == "residual")

    def describe(self, network):
        return describe_dynunet(network) if self.family == "dynunet" else describe_staged_network(network)

    def encoder_places(self):
        """Encoders 1 to Z: every level above the bottleneck, from full resolution down."""
        above = range(len(self.strides) - 1)
        if self.family == "dynunet":
            return ["input_block", *(f"downsamples.{i}" for i in range(len(above) - 1))]
        return [f"encoder.stages.{i}" for i in above]

    def decoder_places(self):
        """Decoders 1 to Z: from scale 2, just below the last block, down to the bottleneck's own map."""
        below_last = len(self.strides) - 2
        if self.family == "dynunet":
            return [*(f"upsamples.{i}" for i in reversed(range(below_last))), "bottleneck"]
        return [
            *(f"decoder.stages.{i}" for i in reversed(range(below_last))),
            f"encoder.stages.{len(self.strides) - 1}",
        ]

    def scales(self):
        """Downsampling after each stage."""
        scales = [(1,) * len(self.patch)]
        for stride in self.strides[1:]:
            scales.append(tuple(a * b for a, b in zip(scales[-1], stride, strict=True)))
        return scales

    def images(self, batch=2, dtype=torch.float32):
        generator = torch.Generator().manual_seed(7)
        return torch.randn(batch, 1, *self.patch, generator=generator).to(dtype)

    def labels(self, batch=2):
        generator = torch.Generator().manual_seed(8)
        return torch.randint(self.classes, (batch, 1, *self.patch), generator=generator).float()


FLAT, CUBE, SLAB = (2, 2), (2, 2, 2), (1, 2, 2)
CASES = (
    Case("plain 2D, 2 classes", "plain", ((1, 1), FLAT, FLAT), (8, 12), 2),
    Case("plain 2D, 4 stages, uneven strides, 3 classes", "plain", ((1, 1), FLAT, (2, 1), FLAT), (16, 8), 3),
    Case("plain 3D, anisotropic, 8 classes", "plain", ((1, 1, 1), SLAB, CUBE, CUBE), (8, 16, 16), 8),
    Case("residual 2D, 8 classes", "residual", ((1, 1), FLAT, FLAT, FLAT), (16, 16), 8),
    Case("residual 3D, anisotropic, 3 classes", "residual", ((1, 1, 1), CUBE, SLAB), (4, 8, 8), 3),
    Case("DynUNet 2D, 3 classes", "dynunet", ((1, 1), FLAT, FLAT), (8, 8), 3),
    Case("DynUNet 3D, 2 classes", "dynunet", ((1, 1, 1), CUBE, CUBE, SLAB), (8, 8, 16), 2),
)
CASE_NAMES = [case.name for case in CASES]
