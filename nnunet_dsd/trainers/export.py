"""Stock-only copies of finished models: what nnU-Net without this package can load, checked to give equal outputs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from torch import nn

from nnunet_dsd.common.errors import CheckpointError, DataError, SetupError
from nnunet_dsd.common.files import require_new_folder, require_writable, whole_folder
from nnunet_dsd.common.json_files import read_json
from nnunet_dsd.networks.heads import HeadChoice, attach_heads
from nnunet_dsd.networks.staged import describe_staged_network
from nnunet_dsd.registry import find_trainer
from nnunet_dsd.trainers.checkpoint import HEADS_KEY, check_weights_fit, read_checkpoint, require_parts
from nnunet_dsd.trainers.checkpointed import STOCK_TRAINER
from nnunet_dsd.trainers.model_folder import fold_checkpoints, read_model_folder
from nnunet_dsd.trainers.optimiser_state import is_head, split_state
from nnunet_dsd.trainers.plain_network import build_plain_network
from nnunet_dsd.trainers.published import published_checkpoint, published_dataset, published_plans, without_paths

SUMMARY = "summary.json"
POSTPROCESSING = "postprocessing.pkl"


def export_model(
    model: Path, output: Path, *, folds: Sequence[str] | None = None, checkpoint: str, with_validation: bool = False
) -> list[Path]:
    """Write a stock-only copy of a model folder and return the checkpoints written.

    The copy holds nothing of any case and no path: weights, log, plans, labels, training curve and postprocessing.

    Args:
        model: A results folder `TRAINER__PLANS__CONFIGURATION` with `plans.json` and `fold_*`.
        output: Folder of the copy, written whole or not at all; must not exist yet, or be empty.
        folds: Which folds, for example "0" or "all"; None takes every fold that has the checkpoint.
        checkpoint: File name of the checkpoint in each fold.
        with_validation: Also copy the predictions of the validation cases, their scores, and the fingerprint of the
            data set, which has every case's size.

    Raises:
        DataError: if the folder is no model folder or lacks a fold, or the validation that was asked for, or the copy's
            folder is not empty.
        CheckpointError: if a checkpoint cannot be a stock one, or the copy's output differs.
        SetupError: if the copy cannot be written.
    """
    plans, dataset = read_model_folder(model)
    sources = fold_checkpoints(model, folds, checkpoint)
    if with_validation:
        _require_validation(sources)
    require_new_folder(output)
    try:
        require_writable(output)
        with whole_folder(output) as partial:
            _write_copy(model, partial, sources, plans, dataset, with_validation=with_validation)
    except OSError as error:
        raise SetupError(
            f"the copy of {model} could not be written to {output} ({error.strerror or error}), and nothing of it is "
            "left there; make room, or give another folder with -o"
        ) from error
    return [output / source.parent.name / source.name for source in sources]


def _write_copy(
    model: Path,
    target: Path,
    sources: Sequence[Path],
    plans: dict[str, Any],
    dataset: dict[str, Any],
    *,
    with_validation: bool,
) -> None:
    for name, content in (("plans.json", published_plans(plans)), ("dataset.json", published_dataset(dataset))):
        (target / name).write_text(json.dumps(content, indent=4), encoding="utf-8")
    fingerprint = model / "dataset_fingerprint.json"
    if with_validation and fingerprint.is_file():
        shutil.copyfile(fingerprint, target / fingerprint.name)
    for source in sources:
        fold = target / source.parent.name
        fold.mkdir()
        export_checkpoint(source, fold / source.name, plans=plans, dataset_json=dataset)
        if (source.parent / "progress.png").is_file():
            shutil.copyfile(source.parent / "progress.png", fold / "progress.png")
        if with_validation:
            _copy_results(source.parent / "validation", fold / "validation", dataset["file_ending"])
    _copy_postprocessing(model, target, dataset["file_ending"], with_validation=with_validation)


def export_checkpoint(source: Path, target: Path, *, plans: dict[str, Any], dataset_json: dict[str, Any]) -> None:
    """Write a stock-only copy of one checkpoint and check that its network's output is bitwise that of the original.

    Raises:
        CheckpointError: if it holds weights only, stock nnU-Net cannot rebuild the network, or the outputs differ.
        OSError: if it cannot be written.
    """
    original = read_checkpoint(source)
    require_parts(original, ("trainer_name", "init_args", "logging"), source=str(source))
    _require_stock_architecture(original["trainer_name"], source)
    configuration = original["init_args"]["configuration"]
    stock = _build_stock(plans, configuration, dataset_json)
    check_weights_fit(_without_heads(original["network_weights"]), stock.state_dict(), source=str(source))
    _save(stock_only(original, stock), target)
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
    exported = published_checkpoint(checkpoint)
    exported["network_weights"] = _without_heads(checkpoint["network_weights"])
    exported["trainer_name"] = STOCK_TRAINER
    exported["optimizer_state"] = _stock_optimiser(checkpoint.get("optimizer_state"), len(list(stock.parameters())))
    return exported


def _save(checkpoint: dict[str, Any], target: Path) -> None:
    """Write a checkpoint into a folder that is not in its place yet.

    Raises:
        OSError: if it cannot be written.
    """
    try:
        torch.save(checkpoint, target)
    except RuntimeError as error:  # torch's own writer, on a full disk
        raise OSError(str(error)) from error


@torch.no_grad()
def outputs_equal(first: nn.Module, second: nn.Module, image: torch.Tensor) -> bool:
    """Tell whether two networks in eval mode give bitwise the same output for `image` `(B, C, *S)`."""
    return torch.equal(first.eval()(image), second.eval()(image))


def _stock_optimiser(state: Mapping[str, Any] | None, parameters: int) -> dict[str, Any] | None:
    """Return the state of nnU-Net's own optimiser; checkpoints of earlier versions have the heads' after it."""
    if state is None:
        return None
    numbers = {number for group in state["param_groups"] for number in group["params"]}
    return split_state(state, {number for number in numbers if number >= parameters}, parameters=parameters)[0]


def _without_heads(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key: value for key, value in weights.items() if not is_head(key)}


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


def _require_validation(sources: Sequence[Path]) -> None:
    lacking = [path.parent.name for path in sources if not (path.parent / "validation" / SUMMARY).is_file()]
    if lacking:
        raise DataError(
            f"no validation results in {', '.join(lacking)}; let nnUNetv2_train ... --val make them, or leave out "
            "--with-validation"
        )


def _copy_results(source: Path, target: Path, ending: str) -> None:
    """Copy the label images and the scores of a folder of predictions; the scores name files, not paths."""
    target.mkdir(exist_ok=True)
    for path in sorted(source.glob(f"*{ending}")):
        shutil.copyfile(path, target / path.name)
    if (source / SUMMARY).is_file():
        damaged = f"{source / SUMMARY} is damaged; let nnUNetv2_train ... --val make it again"
        scores = without_paths(read_json(source / SUMMARY, broken=lambda reason: f"{damaged} ({reason})"))
        (target / SUMMARY).write_text(json.dumps(scores, indent=4), encoding="utf-8")  # nnU-Net's scores may be NaN


def _copy_postprocessing(model: Path, target: Path, ending: str, *, with_validation: bool) -> None:
    """Copy what nnU-Net determined over several folds, where the copy has all of them."""
    for results in model.glob("crossval_results_folds_*"):
        folds = results.name.removeprefix("crossval_results_folds_").split("_")
        if not all((target / f"fold_{fold}").is_dir() for fold in folds) or not (results / POSTPROCESSING).is_file():
            continue
        (target / results.name).mkdir()
        shutil.copyfile(results / POSTPROCESSING, target / results.name / POSTPROCESSING)
        for name in ("plans.json", "dataset.json"):
            shutil.copyfile(target / name, target / results.name / name)
        if with_validation:
            _copy_results(results, target / results.name, ending)
