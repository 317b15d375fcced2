"""Stock-only copies of finished models: what nnU-Net without this package can load, checked to give equal outputs."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from torch import nn

from nnunet_dsd.errors import CheckpointError
from nnunet_dsd.files import whole_folder
from nnunet_dsd.networks.heads import HeadChoice, attach_heads
from nnunet_dsd.networks.staged import describe_staged_network
from nnunet_dsd.networks.taps import HEADS_NAME
from nnunet_dsd.registry import find_trainer
from nnunet_dsd.trainers.checkpoint import (
    HEADS_KEY,
    OUR_KEYS,
    check_weights_fit,
    read_checkpoint,
    write_checkpoint,
)
from nnunet_dsd.trainers.headed import LOG_PREFIX
from nnunet_dsd.trainers.model_folder import fold_checkpoints, read_model_folder, require_new_folder
from nnunet_dsd.trainers.plain_network import build_plain_network
from nnunet_dsd.trainers.planned import STOCK_TRAINER

MODEL_FILES = ("plans.json", "dataset.json", "dataset_fingerprint.json")
FOLD_FILES = ("progress.png", "debug.json")


def export_model(model: Path, output: Path, *, folds: Sequence[str] | None = None, checkpoint: str) -> list[Path]:
    """Write a stock-only copy of a model folder and return the checkpoints written.

    Args:
        model: A results folder `TRAINER__PLANS__CONFIGURATION` with `plans.json` and `fold_*`.
        output: Folder of the copy, written whole or not at all; must not exist yet, or be empty.
        folds: Which folds, for example "0" or "all"; None takes every fold that has the checkpoint.
        checkpoint: File name of the checkpoint in each fold.

    Raises:
        DataError: if the folder is no model folder or lacks a fold, or the copy's is not empty.
        CheckpointError: if a checkpoint cannot be a stock one, or the copy's output differs.
    """
    plans, dataset = read_model_folder(model)
    sources = fold_checkpoints(model, folds, checkpoint)
    require_new_folder(output)
    with whole_folder(output) as partial:
        for name in MODEL_FILES:
            if (model / name).is_file():
                shutil.copyfile(model / name, partial / name)
        for source in sources:
            fold = partial / source.parent.name
            fold.mkdir()
            export_checkpoint(source, fold / source.name, plans=plans, dataset_json=dataset)
            _copy_fold_files(source.parent, fold)
        _copy_postprocessing(model, partial)
    return [output / source.parent.name / source.name for source in sources]


def export_checkpoint(source: Path, target: Path, *, plans: dict[str, Any], dataset_json: dict[str, Any]) -> None:
    """Write a stock-only copy of one checkpoint and check that its network's output is bitwise that of the original.

    Raises:
        CheckpointError: if stock nnU-Net cannot rebuild the network, or the outputs differ.
    """
    original = read_checkpoint(source)
    _require_stock_architecture(original["trainer_name"], source)
    configuration = original["init_args"]["configuration"]
    stock = _build_stock(plans, configuration, dataset_json)
    check_weights_fit(_without_heads(original["network_weights"]), stock.state_dict(), source=str(source))
    write_checkpoint(stock_only(original, stock), target)
    stock.load_state_dict(read_checkpoint(target)["network_weights"])
    trained = _build_trained(plans, configuration, dataset_json, original)
    manager = PlansManager(plans)
    planned = manager.get_configuration(configuration)
    channels = determine_num_input_channels(manager, planned, dataset_json)
    image = torch.randn(1, channels, *planned.patch_size, generator=torch.Generator().manual_seed(0))
    if not outputs_equal(trained, stock, image):
        target.unlink()
        raise CheckpointError(f"the stock copy of {source} gave another output than the original; nothing was exported")


def stock_only(checkpoint: Mapping[str, Any], stock: nn.Module) -> dict[str, Any]:
    """Return a checkpoint without anything of this package: weights, optimiser state and log as stock nnU-Net's.

    Args:
        checkpoint: The checkpoint as read.
        stock: The stock network, whose parameters come first in the optimiser's order.
    """
    exported = {key: value for key, value in checkpoint.items() if key not in OUR_KEYS}
    exported["network_weights"] = _without_heads(checkpoint["network_weights"])
    exported["trainer_name"] = STOCK_TRAINER
    exported["logging"] = {k: v for k, v in checkpoint["logging"].items() if not k.startswith(LOG_PREFIX)}
    exported["optimizer_state"] = _stock_optimiser(checkpoint["optimizer_state"], stock)
    return exported


@torch.no_grad()
def outputs_equal(first: nn.Module, second: nn.Module, image: torch.Tensor) -> bool:
    """Tell whether two networks in eval mode give bitwise the same output for `image` `(B, C, *S)`."""
    return torch.equal(first.eval()(image), second.eval()(image))


def _stock_optimiser(state: Mapping[str, Any] | None, stock: nn.Module) -> dict[str, Any] | None:
    if state is None:
        return None
    if any("momentum" not in group for group in state["param_groups"]):
        # AdamW's state would stop stock nnU-Net's SGD at its first step: give it the state nnU-Net itself begins with.
        sgd = torch.optim.SGD(stock.parameters(), lr=1e-2, weight_decay=3e-5, momentum=0.99, nesterov=True)
        return sgd.state_dict()
    parameters = len(list(stock.parameters()))
    groups = copy.deepcopy(state["param_groups"])
    for group in groups:
        group["params"] = [index for index in group["params"] if index < parameters]
    return {"state": {k: v for k, v in state["state"].items() if k < parameters}, "param_groups": groups}


def _without_heads(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key: value for key, value in weights.items() if HEADS_NAME not in key.split(".")}


def _require_stock_architecture(trainer_name: str, source: Path) -> None:
    if trainer_name == STOCK_TRAINER:
        return
    trainer: Any = find_trainer(trainer_name).load()
    if trainer.build_network_architecture is not nnUNetTrainer.build_network_architecture:
        raise CheckpointError(
            f"{source} holds a network that only {trainer_name} can build, so no stock-only copy of it can be made; "
            "predict with this package installed"
        )


def _build_stock(plans: dict[str, Any], configuration: str, dataset_json: dict[str, Any]) -> nn.Module:
    manager = PlansManager(plans)
    return build_plain_network(STOCK_TRAINER, manager, manager.get_configuration(configuration), dataset_json)


def _build_trained(
    plans: dict[str, Any], configuration: str, dataset_json: dict[str, Any], checkpoint: Mapping[str, Any]
) -> nn.Module:
    """Build the network as it was trained, heads included, with the original checkpoint's weights."""
    network = _build_stock(plans, configuration, dataset_json)
    if HEADS_KEY in checkpoint:
        classes = PlansManager(plans).get_label_manager(dataset_json).num_segmentation_heads
        attach_heads(network, describe_staged_network(network), classes, HeadChoice())
    network.load_state_dict(_without_heads(checkpoint["network_weights"]))
    return network


def _copy_postprocessing(model: Path, target: Path) -> None:
    """Copy what nnU-Net determined over several folds, where the copy has all of them."""
    for results in model.glob("crossval_results_folds_*"):
        folds = results.name.removeprefix("crossval_results_folds_").split("_")
        if all((target / f"fold_{fold}").is_dir() for fold in folds):
            shutil.copytree(results, target / results.name)


def _copy_fold_files(source: Path, target: Path) -> None:
    for name in FOLD_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
    if (source / "validation").is_dir():
        shutil.copytree(source / "validation", target / "validation", dirs_exist_ok=True)
