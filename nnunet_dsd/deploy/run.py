"""Deploying: from a trained model to a folder that runs by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from torch import nn

from nnunet_dsd import __version__
from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.files import require_writable, whole_folder
from nnunet_dsd.deploy.describing import deploy_problems, describe
from nnunet_dsd.deploy.graphs import graph_entries, write_graph
from nnunet_dsd.deploy.leaflets import readme, requirements
from nnunet_dsd.deploy.request import Deployment
from nnunet_dsd.deploy.runtime.description import DESCRIPTION, Description
from nnunet_dsd.deploy.single_file import single_file
from nnunet_dsd.deploy.source import example, find_trained, load_mean, opened, trained_mirroring
from nnunet_dsd.trainers.model_folder import require_new_folder
from nnunet_dsd.trainers.teacher import TeacherModel

Say = Callable[[str], None]


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
        say(f"model: {model.folder.resolve().name}, fold {', '.join(model.folds)}")
        network = load_mean(model)
        with whole_folder(asked.output) as target:
            return _write(asked, model, network, target, say)


def _write(asked: Deployment, model: TeacherModel, network: nn.Module, target: Path, say: Say) -> Description:
    say(f"writing the graph for {asked.runtime} in {asked.precision}")
    channels = len(model.dataset_json["channel_names"])
    write_graph(network, example(model, channels), target, asked.runtime)
    description = describe(
        model, mirror_axes=trained_mirroring(model), graph=graph_entries(target, asked.runtime, asked.precision)
    )
    _write_texts(description, target)
    return description


def _write_texts(description: Description, target: Path) -> None:
    texts = {
        DESCRIPTION: json.dumps(description.as_json(), indent=2) + "\n",
        "predict.py": single_file(__version__),
        "requirements.txt": requirements(description),
        "README.md": readme(description),
    }
    for name, text in texts.items():
        (target / name).write_text(text, encoding="utf-8")
