"""What every trainer with training-only modules needs: attaching, saving and restoring them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import nn

from nnunet_dsd.common.errors import CheckpointError
from nnunet_dsd.networks.staged import describe_staged_network
from nnunet_dsd.networks.taps import HEADS_NAME, TappedHeads, attach
from nnunet_dsd.networks.ushape import NetworkLevels, check_patch_size
from nnunet_dsd.trainers.checkpoint import HEADS_KEY, weight_problems
from nnunet_dsd.trainers.term_trainer import TermsTrainer


class HeadedTrainer(TermsTrainer):
    """nnU-Net's trainer with training-only modules on the network and a loss of named terms.

    Subclasses say which modules (`build_heads`) and which loss (`build_distillation_loss`).
    """

    nnunet_deep_supervision: ClassVar[bool] = False

    @abstractmethod
    def build_heads(self, network: nn.Module, shape: NetworkLevels, classes: int) -> TappedHeads:
        """Return the training-only modules for a plain network with these levels and output channels."""

    def describe_network(self, network: nn.Module) -> NetworkLevels:
        """Return the levels of this trainer's network; a trainer for another architecture overrides this."""
        return describe_staged_network(network)

    def prepare_network(self, network: nn.Module, classes: int) -> None:
        """Attach the training-only modules.

        Raises:
            NetworkStructureError: if the network is no U-shape, or the patch does not fit it.
        """
        super().prepare_network(network, classes)
        shape = self.describe_network(network)
        self.check_patch(shape)
        self.levels = len(shape.encoders)
        attach(network, self.build_heads(network, shape, classes))

    def check_patch(self, shape: NetworkLevels) -> None:
        """Refuse a patch that does not fit the network.

        Raises:
            NetworkStructureError: naming the nearest that fits.
        """
        check_patch_size(shape.total_scale, self.configuration_manager.patch_size)

    def heads(self) -> nn.Module:
        """Return the training-only modules."""
        return self.bare_network().get_submodule(HEADS_NAME)

    def extra_checkpoint_parts(self) -> dict[str, Any]:
        """Return the weights of the training-only modules, which `network_weights` leaves out."""
        return {HEADS_KEY: {key: value.detach().cpu() for key, value in self.heads().state_dict().items()}}

    def restore_extra_parts(self, checkpoint: Mapping[str, Any], source: str) -> None:
        """Restore the training-only modules.

        Raises:
            CheckpointError: if the checkpoint has none, or some made with other settings.
        """
        if HEADS_KEY not in checkpoint:
            raise CheckpointError(
                f"{source} holds no distillation heads, so it was not written by {type(self).__name__}. To start from "
                "another model's weights use -pretrained_weights; to predict use nnUNetv2_predict"
            )
        if problems := weight_problems(checkpoint[HEADS_KEY], self.heads().state_dict()):
            raise CheckpointError(
                f"the distillation heads in {source} were made with other settings: {len(problems)} of their weights "
                f"do not fit ({'; '.join(problems[:3])}). Continue with the plans the training began with"
            )
        self.heads().load_state_dict(checkpoint[HEADS_KEY])
