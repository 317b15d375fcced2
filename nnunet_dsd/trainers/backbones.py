"""The trainers for MONAI's networks: plain, with every kind of self-distillation, and taught by another network.

The classes are made from two tables, `BACKBONES` and `VARIANTS`; each is an attribute of this module, as
`nnUNetTrainerUNETR` and `nnUNetTrainerUNETR_DSD`.
"""

from __future__ import annotations

from typing import Any, ClassVar

from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch import nn

from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.config.settings import PLANS_KEY, read_settings
from nnunet_dsd.networks.backbones import BACKBONES, Backbone, NetworkRequest, build_backbone, computed_size
from nnunet_dsd.networks.padding import padding_cost
from nnunet_dsd.networks.ushape import NetworkLevels
from nnunet_dsd.trainers import variants
from nnunet_dsd.trainers.hlfd import nnUNetTrainerHLFD
from nnunet_dsd.trainers.kd import nnUNetTrainerKD
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
    "_HLFD": nnUNetTrainerHLFD,
    "_KD": nnUNetTrainerKD,
}
VARIANTS_WITHOUT_DECODER = ("", "_HLFD", "_KD")


class BackboneTrainer(nnUNetTrainer):
    """What makes a trainer build one of MONAI's networks; to be mixed into a `PlannedTrainer`."""

    backbone: ClassVar[Backbone]
    defaults: ClassVar[dict[str, Any]]
    fixed: ClassVar[dict[str, Any]]
    takes_feature_size: ClassVar[bool] = True
    nnunet_deep_supervision: ClassVar[bool] = False

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
            feature_size=settings.network.feature_size,
            planned=configuration_manager.network_arch_init_kwargs,
        )

    def initialize(self) -> None:
        """Build everything, and say what padding costs."""
        super().initialize()
        patch, size = self.planned_and_computed_size()
        cost = padding_cost(patch, size)
        if cost > 1:
            self.print_to_log_file(
                f"{self.backbone.name} cannot take patches of {patch}: they are padded with zeros to "
                f"{size} inside the network, {cost:.2f} times the voxels. `nnunet-dsd plan --patch-size` saves that"
            )

    def planned_and_computed_size(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the voxels per axis of the plans' patch, and of what the network computes on."""
        request = self._request(
            self.configuration_manager, self.num_input_channels, self.label_manager.num_segmentation_heads
        )
        return request.patch_size, computed_size(self.backbone, request)

    def describe_network(self, network: nn.Module) -> NetworkLevels:
        """Return the levels of MONAI's network."""
        return self.backbone.describe(network)

    def check_patch(self, shape: NetworkLevels) -> None:
        """Do nothing: the network was built for the patch, or refused it."""

    def set_deep_supervision_enabled(self, enabled: bool) -> None:
        """Do nothing: these networks have no deep supervision of nnU-Net's kind to switch."""


class TaughtBackboneTrainer(BackboneTrainer):
    """A `BackboneTrainer` whose network follows a teacher's, level by level, so that it must not pad inside."""

    def check_patch(self, shape: NetworkLevels) -> None:
        """Refuse a patch that the network would pad.

        Raises:
            NetworkStructureError: naming the nearest patch that fits.
        """
        patch, size = self.planned_and_computed_size()
        if patch != size:
            raise NetworkStructureError(
                f"{self.backbone.name} would pad patches of {patch} to {size} inside, and its levels would not lie on "
                f"the teacher's: plan the student, and the teacher where it cannot take that, with `nnunet-dsd plan "
                f"--patch-size {' '.join(map(str, size))}`"
            )


def _trainer_class(backbone: Backbone, suffix: str, variant: type[PlannedTrainer]) -> type[PlannedTrainer]:
    defaults = TRANSFORMER_DEFAULTS if backbone.transformer else {}
    mixed_in = TaughtBackboneTrainer if issubclass(variant, nnUNetTrainerHLFD) else BackboneTrainer
    attributes = {
        "__module__": __name__,
        "__doc__": f"{backbone.name}: {variant.__doc__}",
        "backbone": backbone,
        "defaults": {**defaults, **variant.defaults},
    }
    return type(f"nnUNetTrainer{backbone.name}{suffix}", (mixed_in, variant), attributes)


TRAINERS = {
    trainer.__name__: trainer
    for backbone in BACKBONES.values()
    for trainer in (
        _trainer_class(backbone, suffix, variant)
        for suffix, variant in VARIANTS.items()
        if backbone.u_shaped or suffix in VARIANTS_WITHOUT_DECODER
    )
}
globals().update(TRAINERS)
