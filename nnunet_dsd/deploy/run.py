"""Deploying: from a trained model to a folder that runs by itself."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from nnunet_dsd import __version__
from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.files import require_new_folder, require_writable, whole_folder, write_json
from nnunet_dsd.deploy.calibration import calibration_patches
from nnunet_dsd.deploy.describing import deploy_problems, describe
from nnunet_dsd.deploy.leaflets import readme, requirements, told
from nnunet_dsd.deploy.measuring import lost_dice, measured, require_references
from nnunet_dsd.deploy.program import program
from nnunet_dsd.deploy.request import Deployment
from nnunet_dsd.deploy.runtime.description import Description
from nnunet_dsd.deploy.runtime.images import Case, find_cases
from nnunet_dsd.deploy.source import example, find_trained, load_mean, opened, trained_mirroring
from nnunet_dsd.graphs.folder import Say, write_leaflets
from nnunet_dsd.graphs.quantising import quantise
from nnunet_dsd.graphs.runtime.folders import DESCRIPTION, DeployedModelError
from nnunet_dsd.graphs.writing import graph_entries, write_graph
from nnunet_dsd.trainers.teacher import TeacherModel


def deploy(asked: Deployment, say: Say) -> Description:
    """Write a model's folder, whole or not at all.

    Args:
        asked: What was asked for.
        say: Takes lines on what is done.

    Returns:
        What the folder says of the model.

    Raises:
        DataError: if the model cannot be deployed, or loses more than it may.
        CheckpointError: if a checkpoint is broken.
        SetupError: if what writes graphs is not installed.
    """
    require_new_folder(asked.output)
    require_writable(asked.output)
    with opened(asked.model) as folder:
        model = find_trained(folder, asked.folds, asked.checkpoint)
        if problems := deploy_problems(model):
            raise DataError(f"{model.folder.name} cannot be deployed: {'; '.join(problems)}")
        cases = _calibration_cases(asked, model.dataset_json["file_ending"])
        say(f"model: {model.folder.resolve().name}, fold {', '.join(model.folds)}")
        network = load_mean(model)
        with whole_folder(asked.output) as target:
            return _write(asked, model, network, cases, target, say)


def _write(
    asked: Deployment, model: TeacherModel, network: nn.Module, cases: list[Case], target: Path, say: Say
) -> Description:
    say(f"writing the graph for {asked.runtime}")
    write_graph(network, example(model, len(model.dataset_json["channel_names"])), target, asked.runtime)
    mirror_axes = trained_mirroring(model)
    exact = describe(model, mirror_axes=mirror_axes, graph=graph_entries(target, asked.runtime, "f32"))
    if asked.precision == "f32":
        _write_texts(exact, target)
        return exact
    description = _in_fewer_bits(asked, exact, model.dataset_json, cases, target, say)
    _write_texts(description, target)
    return description


def _in_fewer_bits(
    asked: Deployment, exact: Description, dataset_json: dict[str, Any], cases: list[Case], target: Path, say: Say
) -> Description:
    """Put a graph in fewer bits into the place of the one in float32, and measure what that changes.

    Raises:
        DataError: if it loses more Dice than it may.
    """
    with tempfile.TemporaryDirectory() as scratch_name:
        scratch = Path(scratch_name)
        reference = scratch / "f32"
        shutil.copytree(target, reference)
        write_json(reference / DESCRIPTION, exact.as_json())
        if asked.precision == "int8":
            say(f"quantising with patches of {counted(len(cases), 'image')}")
            graph = target / exact.graph
            quantise(reference / exact.graph, graph, calibration_patches(cases, exact), asked.runtime)
        entries = graph_entries(target, asked.runtime, asked.precision)
        description = replace(exact, **entries)
        write_json(target / DESCRIPTION, description.as_json())
        say(f"comparing with float32 on {counted(len(cases), 'image')}")
        found = measured(asked.labels, cases, description, (reference, target), dataset_json, scratch)
    for line in told(found, asked.precision):
        say(line)
    lost = lost_dice(found, asked.precision)
    if lost is not None and lost > asked.tolerance:
        raise DataError(
            f"in {asked.precision} the model loses {lost:.2f} points of Dice, more than the {asked.tolerance:g} "
            "allowed: nothing was written. Take another precision, more calibration images, or allow more (--tolerance)"
        )
    return replace(description, measured=found)


def _calibration_cases(asked: Deployment, ending: str) -> list[Case]:
    if asked.calibration is None:
        return []
    try:
        cases = find_cases(asked.calibration, ending)
    except DeployedModelError as error:
        raise DataError(f"--calibration: {error}") from error
    if asked.labels is not None:
        require_references(cases, asked.labels, ending)
    return cases


def _write_texts(description: Description, target: Path) -> None:
    write_json(target / DESCRIPTION, description.as_json())
    write_leaflets(
        target, program=program(__version__), requirements=requirements(description), readme=readme(description)
    )
