"""Deploying: from a trained model of triplets to a folder that runs by itself."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from nnunet_dsd import __version__
from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.common.files import require_new_folder, require_writable, whole_folder, write_json
from nnunet_dsd.graphs.folder import Say, write_leaflets
from nnunet_dsd.graphs.quantising import quantise
from nnunet_dsd.graphs.runtime.folders import DESCRIPTION
from nnunet_dsd.graphs.writing import GRAPHS, graph_entries, write_graph
from video_triplet.deploy.leaflets import readme, requirements, told
from video_triplet.deploy.measuring import calibration_frames, measured
from video_triplet.deploy.program import program
from video_triplet.deploy.request import Deployment
from video_triplet.deploy.runtime.description import Description
from video_triplet.deploy.runtime.predictor import Predictor, network_input
from video_triplet.models.model_file import TripletModel, load_model

LARGEST_ERROR = 1e-4  # of a probability in float32


def deploy(asked: Deployment, say: Say) -> Description:
    """Write a model's folder, whole or not at all.

    Args:
        asked: What was asked for.
        say: Takes lines on what is done.

    Returns:
        What the folder says of the model.

    Raises:
        CheckpointError: if the model's file is broken, or of another kind.
        DataError: if there is something in the folder, or frames to calibrate with cannot be read.
        SetupError: if what writes graphs is not installed.
        NetworkStructureError: if the network cannot be written for the runtime.
    """
    require_new_folder(asked.output)
    require_writable(asked.output)
    model = load_model(asked.model, device="cpu")
    size = model.settings.image_size
    say(f"model: {model.record.trainer}, {model.settings.backbone}, {size} x {size} pixels")
    frames = [] if asked.calibration is None else calibration_frames(asked.calibration, size)
    with whole_folder(asked.output) as target:
        description = _write_graph(asked, model, frames, target, say)
        if frames:
            say(f"comparing with the trained network on {counted(len(frames), 'frame')}")
            description = replace(description, measured=measured(model, Predictor(target), frames))
            say(told(description))
        write_json(target / DESCRIPTION, description.as_json())
        write_leaflets(
            target, program=program(__version__), requirements=requirements(description), readme=readme(description)
        )
    return description


def _write_graph(
    asked: Deployment, model: TripletModel, frames: Sequence[NDArray[np.uint8]], target: Path, say: Say
) -> Description:
    """Write the graph and the description of it."""
    size = model.settings.image_size
    example = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    with tempfile.TemporaryDirectory() as scratch:
        exact = Path(scratch) if asked.precision == "int8" else target
        say(f"writing the graph for {asked.runtime}")
        write_graph(model.network.backbone, example, exact, asked.runtime)
        description = describe(model, graph_entries(exact, asked.runtime, "f32"))
        write_json(exact / DESCRIPTION, description.as_json())
        _refuse_other_graph(model, Predictor(exact), asked.runtime)
        if asked.precision == "int8":
            say(f"quantising with {counted(len(frames), 'frame')}")
            inputs = [network_input(frame, description) for frame in frames]
            graph = GRAPHS[asked.runtime]
            quantise(exact / graph, target / graph, inputs, asked.runtime, attention=True)
            description = describe(model, graph_entries(target, asked.runtime, asked.precision))
            write_json(target / DESCRIPTION, description.as_json())
    return description


def _refuse_other_graph(model: TripletModel, predictor: Predictor, runtime: str) -> None:
    """Refuse a graph that is not the network, as of one whose way depends on what it sees.

    Raises:
        NetworkStructureError: with how far it is from it.
    """
    size = model.settings.image_size
    frame = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    change = measured(model, predictor, [frame])["largest_change"]
    if change > LARGEST_ERROR:
        raise NetworkStructureError(
            f"the graph for {runtime} is not the network: probabilities of a frame differ by {change:.2g}, allowed are "
            f"{LARGEST_ERROR:g}; try the other runtime"
        )


def describe(model: TripletModel, graph: dict[str, object]) -> Description:
    """Return a model's description.

    Args:
        model: The trained model.
        graph: From `graph_entries`.
    """
    network = model.network
    mean, std = (tuple(values.flatten().tolist()) for values in (network.mean, network.deviation))
    return Description(
        name=f"{model.record.trainer}, {model.settings.backbone}",
        heads=tuple(network.head_sizes),
        vocabulary=model.vocabulary,
        image_size=model.settings.image_size,
        mean=mean,
        std=std,
        record=model.record,
        measured={},
        **graph,  # type: ignore[arg-type]
    )
