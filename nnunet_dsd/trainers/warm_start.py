"""Starting a training from the weights of a finished one of the same architecture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nnunetv2.paths import nnUNet_results

from nnunet_dsd.common.errors import CheckpointError
from nnunet_dsd.trainers.checkpoint import check_weights_fit, plain_weights, read_checkpoint


def load_start_weights(trainer: Any, name: str) -> None:
    """Load all weights of a finished training into a trainer's network, which is built and has not begun.

    nnU-Net's own `-pretrained_weights` leaves out the layers that make the output, because it starts new tasks.

    Args:
        trainer: A `PlannedTrainer`.
        name: Path of a checkpoint, or its place among the data set's results.

    Raises:
        CheckpointError: if there is no such checkpoint, or it is of another architecture.
    """
    path = find_start(name, dataset=trainer.plans_manager.dataset_name)
    weights, network = plain_weights(read_checkpoint(path)), trainer.bare_network()
    check_weights_fit(weights, network.state_dict(), source=str(path))
    network.load_state_dict(weights)
    trainer.print_to_log_file(f"starts from the weights of {path}")


def find_start(name: str, *, dataset: str) -> Path:
    """Return the checkpoint that a setting names.

    Args:
        name: The setting.
        dataset: `DatasetNNN_NAME`.

    Raises:
        CheckpointError: if it is not there.
    """
    given, among_results = Path(name).expanduser(), Path(nnUNet_results or ".") / dataset / name
    for path in (given, among_results):
        if path.is_file():
            return path
    raise CheckpointError(
        f"start_from names {name}, but there is neither {given} nor {among_results}. Name a checkpoint such as "
        "nnUNetTrainer__nnUNetPlans__3d_fullres/fold_0/checkpoint_final.pth, or leave it out"
    )
