"""What a study is: which trainers on which plans, folds and seeds, and what the models are scored on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Fold = int | str  # a number, or "all"
EvaluateOn = Literal["validation", "test"]
EVALUATE_ON: tuple[EvaluateOn, ...] = ("validation", "test")
DEVICES = ("cuda", "cpu", "mps")
ALL_CASES = "all"
SAFE_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]|_(?!_))*")


@dataclass(frozen=True)
class PlansChoice:
    """How plans are derived from nnU-Net's; None leaves the preset's value, or nnU-Net's.

    Attributes:
        name: Short name within the study.
        preset: Name of a preset to start from, or None.
        settings: Of the self-distillation block, on top of the preset's.
        patch_size: Voxels per axis.
        batch_size: Patches per step.
        width: Factor on the feature channels of every stage.
        by_seed: Further settings of single seeds, such as the weights each starts from.
    """

    name: str
    preset: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    patch_size: tuple[int, ...] | None = None
    batch_size: int | None = None
    width: float | None = None
    by_seed: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainerChoice:
    """A trainer, the plans it is run on, and how it is called in the report (default: its name)."""

    trainer: str
    plans: tuple[str, ...]
    label: str | None = None

    def method(self, plans: str) -> str:
        """Return the name in the report of this trainer on some plans: with the plans where it is run on several."""
        name = self.label or self.trainer
        return f"{name}, {plans}" if len(self.plans) > 1 else name


@dataclass(frozen=True, kw_only=True)
class Study:
    """A declared study; see `docs/reference/study-file.md` for the file.

    Attributes:
        name: First part of the names of derived plans.
        dataset: Number or name of the data set.
        configuration: One of nnU-Net's, such as `3d_fullres`.
        from_plans: Plans to derive from.
        evaluate_on: The validation cases of each fold, or the test cases.
        test_images: Folder of the test cases; None: the data set's imagesTs.
        test_labels: Folder of their references; None: the data set's labelsTs.
        mirroring: Whether nnU-Net mirrors the test cases when it predicts them, which takes up to 8 times as long.
        baseline: The method that the others are compared with, or None.
        device: As nnU-Net takes it, or None for its own default.
        title: Of the report.
    """

    name: str
    dataset: str
    configuration: str
    from_plans: str = "nnUNetPlans"
    plans: tuple[PlansChoice, ...]
    trainers: tuple[TrainerChoice, ...]
    folds: tuple[Fold, ...] = (0,)
    seeds: tuple[int, ...] = (1,)
    evaluate_on: EvaluateOn = "validation"
    test_images: str | None = None
    test_labels: str | None = None
    mirroring: bool = True
    baseline: str | None = None
    device: str | None = None
    title: str | None = None

    @property
    def methods(self) -> tuple[str, ...]:
        """The rows of the report, in the order of the study."""
        return tuple(choice.method(plans) for choice in self.trainers for plans in choice.plans)

    def plans_name(self, plans: str, seed: int) -> str:
        """Return the name of the derived plans of a seed, which is also part of the results folder's name."""
        return f"{self.name}_{plans}_seed{seed}"


def study_to_dict(study: Study) -> dict[str, Any]:
    """Return what a study file holds, every entry written out."""
    return {
        "name": study.name,
        "title": study.title,
        "dataset": study.dataset,
        "configuration": study.configuration,
        "from_plans": study.from_plans,
        "plans": {choice.name: _plans_to_dict(choice) for choice in study.plans},
        "trainers": [_trainer_to_dict(choice) for choice in study.trainers],
        "folds": list(study.folds),
        "seeds": list(study.seeds),
        "evaluate_on": study.evaluate_on,
        "test_images": study.test_images,
        "test_labels": study.test_labels,
        "mirroring": study.mirroring,
        "baseline": study.baseline,
        "device": study.device,
    }


def _plans_to_dict(choice: PlansChoice) -> dict[str, Any]:
    values = {
        "preset": choice.preset,
        "settings": dict(choice.settings) or None,
        "by_seed": {str(seed): dict(settings) for seed, settings in choice.by_seed.items()} or None,
        "patch_size": list(choice.patch_size) if choice.patch_size else None,
        "batch_size": choice.batch_size,
        "width": choice.width,
    }
    return {name: value for name, value in values.items() if value is not None}


def _trainer_to_dict(choice: TrainerChoice) -> dict[str, Any]:
    label = {} if choice.label is None else {"label": choice.label}
    return {"trainer": choice.trainer, "plans": list(choice.plans), **label}
