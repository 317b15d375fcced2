"""The trainers for MONAI's networks: plain, and with every kind of self-distillation.

The classes are made from two tables, `BACKBONES` and `VARIANTS`; each is an attribute of this module, as
`nnUNetTrainerUNETR` and `nnUNetTrainerUNETR_DSD`.
"""

from __future__ import annotations

from typing import Any, ClassVar

from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch import nn

from nnunet_dsd.config import PLANS_KEY, read_settings
from nnunet_dsd.networks.backbones import BACKBONES, Backbone, NetworkRequest, build_backbone, computed_size
from nnunet_dsd.networks.padding import padding_cost
from nnunet_dsd.networks.ushape import UShape
from nnunet_dsd.trainers import variants
from nnunet_dsd.trainers.missu import nnUNetTrainerMISSU
from nnunet_dsd.trainers.planned import PlannedTrainer

TRANSFORMER_DEFAULTS = {"optimiser": "adamw", "learning_rate": 1e-4, "schedule": "constant"}  # the paper's, for BraTS
VARIANTS: dict[str, type[PlannedTrainer]] = {
    "": variants.nnUNetTrainerBasic,
    "_DSD": variants.nnUNetTrainerDSD,
    "_DS": variants.nnUNetTrainerDS,
    "_SDD": variants.nnUNetTrainerSDD,
    "_SDE": variants.nnUNetTrainerSDE,
    "_DSDMean": variants.nnUNetTrainerDSDMean,
    "_DSDReversed": variants.nnUNetTrainerDSDReversed,
    "_DSDFeatureL2": variants.nnUNetTrainerDSDFeatureL2,
    "_MISSU": nnUNetTrainerMISSU,
}


class BackboneTrainer(nnUNetTrainer):
    """What makes a trainer build one of MONAI's networks; to be mixed into a `PlannedTrainer`."""

    backbone: ClassVar[Backbone]
    defaults: ClassVar[dict[str, Any]]
    fixed: ClassVar[dict[str, Any]]
    takes_feature_size: ClassVar[bool] = True

    @classmethod
    def build_network_architecture(
        cls,
        plans_manager: Any,
        configuration_manager: Any,
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool = True,
    ) -> nn.Module:
        """Build the network for the plans' patch size; training and inference both call it.

        Raises:
            NetworkStructureError: if the patch is too small, or the network cannot be built as the settings ask.
        """
        request = cls._request(configuration_manager, num_input_channels, num_output_channels)
        return build_backbone(cls.backbone, request)

    @classmethod
    def _request(cls, configuration_manager: Any, in_channels: int, out_channels: int) -> NetworkRequest:
        block = configuration_manager.configuration.get(PLANS_KEY)
        settings = read_settings(block, defaults=cls.defaults, fixed=cls.fixed)
        return NetworkRequest(
            in_channels=in_channels,
            out_channels=out_channels,
            patch_size=tuple(configuration_manager.patch_size),
            feature_size=settings.feature_size,
            planned=configuration_manager.network_arch_init_kwargs,
        )

    def initialize(self) -> None:
        """Build everything, and say what padding costs."""
        super().initialize()
        request = self._request(
            self.configuration_manager, self.num_input_channels, self.label_manager.num_segmentation_heads
        )
        size = computed_size(self.backbone, request)
        cost = padding_cost(request.patch_size, size)
        if cost > 1:
            self.print_to_log_file(
                f"{self.backbone.name} cannot take patches of {request.patch_size}: they are padded with zeros to "
                f"{size} inside the network, {cost:.2f} times the voxels. `nnunet-dsd plan --patch-size` saves that"
            )

    def describe_network(self, network: nn.Module) -> UShape:
        """Return the levels of MONAI's network."""
        return self.backbone.describe(network)

    def check_patch(self, shape: UShape) -> None:
        """Do nothing: the network was built for the patch, or refused it."""

    def set_deep_supervision_enabled(self, enabled: bool) -> None:
        """Do nothing: these networks have no deep supervision of nnU-Net's kind to switch."""


def _trainer_class(backbone: Backbone, suffix: str, variant: type[PlannedTrainer]) -> type[PlannedTrainer]:
    defaults = TRANSFORMER_DEFAULTS if backbone.transformer else {}
    attributes = {
        "__module__": __name__,
        "__doc__": f"{backbone.name}: {variant.__doc__}",
        "backbone": backbone,
        "defaults": {**defaults, **variant.defaults},
    }
    return type(f"nnUNetTrainer{backbone.name}{suffix}", (BackboneTrainer, variant), attributes)


TRAINERS = {
    trainer.__name__: trainer
    for backbone in BACKBONES.values()
    for trainer in (_trainer_class(backbone, suffix, variant) for suffix, variant in VARIANTS.items())
}
globals().update(TRAINERS)
