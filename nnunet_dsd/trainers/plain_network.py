"""The network that a trainer builds for inference, by the trainer's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name
from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import nn

from nnunet_dsd.common.errors import DataError


def nnunet_trainer(name: str) -> Any:
    """Return the class of any trainer that nnU-Net finds.

    Raises:
        DataError: if it finds none of that name.
    """
    try:
        return recursive_find_trainer_class_by_name(name)
    except RuntimeError as error:
        raise DataError(f"nnU-Net finds no trainer {name}; `nnunet-dsd list` shows ours") from error


def build_plain_network(
    trainer_name: str, plans: PlansManager, manager: ConfigurationManager, dataset_json: Mapping[str, Any]
) -> nn.Module:
    """Build a trainer's network as inference does: random weights, one output.

    Args:
        trainer_name: Of any trainer that nnU-Net finds.
        plans: The plans.
        manager: One of their configurations.
        dataset_json: The data set's description, for the numbers of image channels and outputs.

    Raises:
        DataError: if nnU-Net finds no such trainer, or it builds networks in a way of its own.
    """
    trainer = nnunet_trainer(trainer_name)
    channels = determine_num_input_channels(plans, manager, dict(dataset_json))
    outputs = plans.get_label_manager(dict(dataset_json)).num_segmentation_heads
    try:
        network: nn.Module = trainer.build_network_architecture(
            plans, manager, channels, outputs, enable_deep_supervision=False
        )
    except TypeError as error:
        raise DataError(
            f"{trainer_name} does not build {manager.network_arch_class_name} as nnU-Net 2.8 calls it ({error}); "
            "bring its build_network_architecture up to date, or take another trainer"
        ) from error
    return network
