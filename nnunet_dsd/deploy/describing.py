"""What a deployed model says of itself, taken from the plans of the trained one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.deploy.runtime.description import Description, Normalisation, Resampling
from nnunet_dsd.trainers.teacher import TeacherModel

READERS = {"SimpleITKIO": "itk", "NibabelIO": "itk", "NaturalImage2DIO": "picture"}
SCHEMES = (
    "ZScoreNormalization",
    "CTNormalization",
    "NoNormalization",
    "RescaleTo01Normalization",
    "RGBTo01Normalization",
)
RESAMPLING = "resample_data_or_seg_to_shape"
RESAMPLED_BY = ("is_seg", "order", "order_z", "force_separate_z")
PREPROCESSOR = "DefaultPreprocessor"
LARGEST_BYTE = 255


def describe(model: TeacherModel, *, mirror_axes: tuple[int, ...], graph: Mapping[str, Any]) -> Description:
    """Return a model's description.

    Args:
        model: The trained model.
        mirror_axes: Axes along which its training mirrored.
        graph: `runtime`, `runtime_version`, `precision`, `graph` and `files` of the description.

    Raises:
        DataError: if `deploy_problems` finds any.
    """
    if problems := deploy_problems(model):
        raise DataError(f"{model.folder.name} cannot be deployed: {'; '.join(problems)}")
    plans, manager = model.plans_manager, model.manager
    labels = plans.get_label_manager(model.dataset_json)
    return Description(
        name=model.folder.resolve().name,
        reader=READERS[plans.plans["image_reader_writer"]],
        file_ending=model.dataset_json["file_ending"],
        channels=tuple(str(name) for name in model.dataset_json["channel_names"].values()),
        labels=dict(model.dataset_json["labels"]),
        patch_size=tuple(int(size) for size in manager.patch_size),
        spacing=tuple(float(edge) for edge in manager.spacing),
        transpose=tuple(int(axis) for axis in plans.transpose_forward),
        normalisation=_normalisation(model),
        image_resampling=_resampling(manager.configuration["resampling_fn_data_kwargs"], order=3),
        logits_resampling=_resampling(manager.configuration["resampling_fn_probabilities_kwargs"], order=3),
        outputs=int(labels.num_segmentation_heads),
        region_labels=tuple(int(label) for label in labels.regions_class_order) if labels.has_regions else None,
        wide_labels=len(labels.foreground_labels) >= LARGEST_BYTE,
        mirror_axes=mirror_axes,
        measured={},
        **graph,
    )


def deploy_problems(model: TeacherModel) -> list[str]:
    """Return what of a model's plans the runtime does not do; nothing where it does all."""
    configuration, plans = model.manager.configuration, model.plans_manager.plans
    problems = []
    if model.manager.previous_stage_name is not None:
        problems.append("it is the second stage of a cascade, which needs the first stage's label maps")
    reader = plans["image_reader_writer"]
    if reader not in READERS:
        problems.append(f"its images are read by {reader}; there are {', '.join(READERS)}")
    if configuration["preprocessor_name"] != PREPROCESSOR:
        problems.append(f"its images are prepared by {configuration['preprocessor_name']}, not by {PREPROCESSOR}")
    unknown = sorted(set(configuration["normalization_schemes"]) - set(SCHEMES))
    if unknown:
        problems.append(f"its normalisation {', '.join(unknown)} is none of nnU-Net's: {', '.join(SCHEMES)}")
    for name in ("resampling_fn_data", "resampling_fn_probabilities"):
        if configuration[name] != RESAMPLING:
            problems.append(f"its {name} is {configuration[name]}, not {RESAMPLING}")
        further = {key: value for key, value in configuration[f"{name}_kwargs"].items() if key not in RESAMPLED_BY}
        if further:
            problems.append(f"its {name} takes {further}, which is not done here")
    return problems


def _normalisation(model: TeacherModel) -> tuple[Normalisation, ...]:
    manager, intensities = model.manager, model.plans_manager.foreground_intensity_properties_per_channel
    described = []
    for channel, scheme in enumerate(manager.normalization_schemes):
        masked = bool(manager.use_mask_for_norm[channel]) and scheme == "ZScoreNormalization"
        numbers = {}
        if scheme == "CTNormalization":
            of_channel = intensities[str(channel)]
            names = {"mean": "mean", "std": "std", "lowest": "percentile_00_5", "highest": "percentile_99_5"}
            numbers = {ours: float(of_channel[theirs]) for ours, theirs in names.items()}
        described.append(Normalisation(scheme, masked, **numbers))
    return tuple(described)


def _resampling(options: Mapping[str, Any], *, order: int) -> Resampling:
    """Return nnU-Net's keyword arguments of a resampling, its defaults where they are silent."""
    return Resampling(options.get("order", order), options.get("order_z", 0), options.get("force_separate_z", False))
