"""Looking at cases with models: one patch per model, around one place, and what Grad-CAM says there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nnunet_dsd.attribution.gradcam import ClassHeat, class_heat, level_problems, predicted_voxels, resolve_level
from nnunet_dsd.attribution.patch import Patch, image_voxel, middle_voxel, model_spacing_mm, place_patch
from nnunet_dsd.attribution.request import SOURCE, CaseFiles, Inputs, Request
from nnunet_dsd.common.errors import DataError, NetworkStructureError, SettingsError
from nnunet_dsd.datasets.geometry import Geometry
from nnunet_dsd.evaluation.images import read_geometry, read_labels
from nnunet_dsd.trainers.finished import FinishedModel, PreparedImage

ON_REFERENCE, ON_PREDICTION, ON_IMAGE = "reference", "prediction of {}", "image centre"


@dataclass(frozen=True)
class LookedModel:
    """A loaded model, its name, and the module paths of the levels that were asked for."""

    name: str
    model: FinishedModel
    modules: tuple[str, ...]


@dataclass(frozen=True)
class Sight:
    """What one model shows in one case.

    Attributes:
        name: of the model.
        modules: paths of the levels.
        patch: where the model looked.
        image: first channel of the patch, along the model's axes.
        heat: of the class, in the patch.
        reference: voxels of the patch that the reference gives to the structure; None without a reference.
    """

    name: str
    modules: tuple[str, ...]
    patch: Patch
    image: NDArray[np.float32]
    heat: ClassHeat
    reference: NDArray[np.bool_] | None


@dataclass(frozen=True)
class LookedCase:
    """A case and what every model shows in it.

    Attributes:
        name: of the case.
        geometry: of the image as read.
        centre: voxel (z, y, x) of the image that the patches were put around.
        centred_on: what is there, in words.
        sights: of the models, in order.
    """

    name: str
    geometry: Geometry
    centre: tuple[float, ...]
    centred_on: str
    sights: tuple[Sight, ...]


def load_models(request: Request) -> tuple[LookedModel, ...]:
    """Load every model and find its levels.

    Raises:
        SettingsError: with every trainer that is not installed, and every level that a model does not have.
        CheckpointError: if a checkpoint is broken, or of another configuration than its folder's name says.
    """
    problems: list[str] = []
    loaded = []
    for choice in request.models:
        try:
            model = FinishedModel(
                choice.folder, fold=request.fold, checkpoint=request.checkpoint, device=torch.device(request.device)
            )
        except DataError as error:
            problems.append(f"{choice.name}: {error}")
            continue
        modules, wrong = _find_modules(model, request.levels)
        problems += [f"{choice.name}: {problem}" for problem in wrong]
        loaded.append(LookedModel(choice.name, model, modules))
    if problems:
        raise SettingsError(problems, source=SOURCE)
    return tuple(loaded)


def look_at_case(case: CaseFiles, models: Sequence[LookedModel], inputs: Inputs) -> LookedCase:
    """Preprocess a case for every model, put patches around the structure, compute Grad-CAM."""
    geometry = read_geometry(case.images[0], inputs.reader)
    reference = _as_volume(read_labels(case.reference, inputs.reader).array) if case.reference else None
    prepared = [looked.model.preprocess(case.images) for looked in models]
    if reference is None:
        centre, centred_on = _predicted_centre(models, prepared, inputs.channel, geometry)
    else:
        spacing = (*((1.0,) * (3 - len(geometry.size))), *geometry.array_spacing_mm)
        centre, centred_on = middle_voxel(inputs.structure.mask(reference), spacing), ON_REFERENCE
    mask = None if reference is None else inputs.structure.mask(reference)
    sights = tuple(
        _look(looked, image, centre, mask, inputs.channel) for looked, image in zip(models, prepared, strict=True)
    )
    return LookedCase(case.name, geometry, centre, centred_on, sights)


def _find_modules(model: FinishedModel, levels: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    modules, problems = [], []
    for level in levels:
        try:
            modules.append(resolve_level(model.network, level))
        except NetworkStructureError as error:
            problems.append(str(error))
    example = torch.zeros(1, model.input_channels, *model.patch_size)
    return tuple(modules), problems + level_problems(model.network, modules, example)


def _as_volume(array: NDArray[Any]) -> NDArray[Any]:
    return array if array.ndim == 3 else array[None]


def _predicted_centre(
    models: Sequence[LookedModel], prepared: Sequence[PreparedImage], channel: int, geometry: Geometry
) -> tuple[tuple[float, ...], str]:
    """Return the middle of the first prediction that has the structure, or of the image where none has."""
    for looked, image in zip(models, prepared, strict=True):
        predicted = predicted_voxels(looked.model.predict(image), regions=looked.model.has_regions)
        mask = predicted[0, channel].numpy()
        if mask.any():
            voxel = middle_voxel(mask, model_spacing_mm(image, geometry))
            return image_voxel(image, voxel), ON_PREDICTION.format(looked.name)
    size = (*geometry.size, 1)[:3]
    return tuple((count - 1) / 2 for count in reversed(size)), ON_IMAGE


def _look(
    looked: LookedModel,
    prepared: PreparedImage,
    centre: Sequence[float],
    reference: NDArray[np.bool_] | None,
    channel: int,
) -> Sight:
    model = looked.model
    patch = place_patch(prepared, centre, model.patch_size)
    image = patch.image()
    heat = class_heat(
        model.network,
        _network_input(image, model).to(model.device),
        channel=channel,
        modules=looked.modules,
        regions=model.has_regions,
    )
    maps = None if heat.maps is None else tuple(each.reshape(patch.size) for each in heat.maps)
    in_patch = ClassHeat(heat.predicted.reshape(patch.size), maps)
    inside = None if reference is None else patch.nearest(reference).astype(bool)
    return Sight(looked.name, looked.modules, patch, image[0], in_patch, inside)


def _network_input(image: NDArray[np.float32], model: FinishedModel) -> Tensor:
    """Return a patch (C, *size) as a batch, without the slice axis for a 2D network."""
    batch = torch.from_numpy(image)[None]
    return batch[:, :, 0] if len(model.patch_size) == 2 else batch
