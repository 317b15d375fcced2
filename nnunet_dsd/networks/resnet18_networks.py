"""Segmentation networks on a ResNet18, of MONAI's parts. This imports MONAI; `networks.resnet18` imports it late."""

from __future__ import annotations

from monai.networks.nets.flexible_unet import SegmentationHead, UNetDecoder
from monai.networks.nets.resnet import ResNet, ResNetFeatures
from torch import Tensor, nn

from nnunet_dsd.distillation.attention import LINEAR
from nnunet_dsd.networks.bottleneck import CONVOLUTIONS

SKIPS = 4


class ResNet18Encoder(ResNetFeatures):
    """The ResNet18 of ImageNet in two or three dimensions, returning five maps at 1/2 to 1/32 of the resolution.

    Stem of 7 voxels and stride 2, pooling, four layers of two blocks, and trained 1x1 shortcuts where a layer halves
    the map. MONAI's own "resnet18" has shortcuts without parameters there, which let no gradient through.

    Reference: He et al., "Deep residual learning for image recognition" (CVPR 2016), Table 1.

    Args:
        in_channels: Image channels.
        width: Channels of the stem and the first layer, doubled by each further layer; 64 in the paper.
        dimensions: Number of spatial axes.
    """

    def __init__(self, in_channels: int, width: int, *, dimensions: int) -> None:
        ResNet.__init__(
            self,
            block="basic",
            layers=[2, 2, 2, 2],
            block_inplanes=[width * 2**layer for layer in range(4)],
            spatial_dims=dimensions,
            n_input_channels=in_channels,
            conv1_t_stride=2,
            shortcut_type="B",
            feed_forward=False,
            bias_downsample=False,
        )


class ResNet18UNet(nn.Module):
    """MONAI's FlexibleUNet with a ResNet18 encoder of any width; its children have the names they have there.

    Args:
        in_channels: Image channels.
        out_channels: Classes or regions.
        width: As for `ResNet18Encoder`; the decoder has 4, 2, 1, 1/2 and 1/4 times as many channels.
        dimensions: Number of spatial axes.
    """

    def __init__(self, in_channels: int, out_channels: int, width: int, *, dimensions: int) -> None:
        super().__init__()
        self.encoder = ResNet18Encoder(in_channels, width, dimensions=dimensions)
        decoder_channels = (4 * width, 2 * width, width, width // 2, width // 4)
        self.decoder = UNetDecoder(
            spatial_dims=dimensions,
            encoder_channels=(in_channels, width, width, 2 * width, 4 * width, 8 * width),
            decoder_channels=decoder_channels,
            act=("relu", {"inplace": True}),
            norm=("batch", {"eps": 1e-3, "momentum": 0.1}),
            dropout=0.0,
            bias=False,
            upsample="nontrainable",
            pre_conv="default",
            interp_mode="nearest",
            align_corners=None,
            is_pad=False,
        )
        self.segmentation_head = SegmentationHead(
            spatial_dims=dimensions, in_channels=decoder_channels[-1], out_channels=out_channels
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return logits `(B, C, *S)` of images `(B, channels, *S)`, S multiples of 32."""
        logits: Tensor = self.segmentation_head(self.decoder(self.encoder(images), SKIPS))
        return logits


class ResNet18FCN(nn.Module):
    """A ResNet18 without a decoder: a 1x1 convolution on its last map, interpolated to the resolution of the image.

    Reference: Long et al., "Fully convolutional networks for semantic segmentation" (CVPR 2015), their FCN-32s.

    Args:
        in_channels: Image channels.
        out_channels: Classes or regions.
        width: As for `ResNet18Encoder`.
        dimensions: Number of spatial axes.
    """

    def __init__(self, in_channels: int, out_channels: int, width: int, *, dimensions: int) -> None:
        super().__init__()
        self.encoder = ResNet18Encoder(in_channels, width, dimensions=dimensions)
        self.classifier = CONVOLUTIONS[dimensions](8 * width, out_channels, kernel_size=1)
        self.upsample = nn.Upsample(scale_factor=32, mode=LINEAR[dimensions], align_corners=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits `(B, C, *S)` of images `(B, channels, *S)`, S multiples of 32."""
        logits: Tensor = self.upsample(self.classifier(self.encoder(images)[-1]))
        return logits
