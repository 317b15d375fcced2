"""The paper's tables as ready-made studies, for the data sets as `nnunet-dsd convert` makes them.

They are starting points: printed with `nnunet-dsd ablate --paper mmwhs --print-study`, edited, and run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ABLATIONS = {
    "Basic": "nnUNetTrainerBasic",
    "DS": "nnUNetTrainerDS",
    "SDD": "nnUNetTrainerSDD",
    "SDE": "nnUNetTrainerSDE",
    "DSD": "nnUNetTrainerDSD",
    "Mean Teacher": "nnUNetTrainerDSDMean",
    "Reversed Teacher": "nnUNetTrainerDSDReversed",
}
TEMPERATURES = (1, 2, 3, 4)
UNETR_HEADS = {"bottlenecks": "separate"}  # in the authors' code UNETR and VNet share no heads between the sides


@dataclass(frozen=True)
class PaperDataset:
    """What the paper did with a data set.

    Attributes:
        dataset: Number that the pages of this project use.
        title: Name for titles.
        preset: Its settings.
        width: Of nnU-Net's network: the paper's has 32 channels at full resolution on MMWHS, 16 on the others.
        backbone_folds: Folds of its table of backbones.
        backbone_cases: What that table is scored on.
        backbones: Label, trainer, plans and settings of the other networks in that table.
        missu: Whether MISSU was attached to UNETR.
    """

    dataset: str
    title: str
    preset: str
    width: float
    backbone_folds: tuple[int, ...]
    backbone_cases: str
    backbones: Sequence[tuple[str, str, str, Mapping[str, Any]]]
    missu: bool


_TRANSFORMERS_ON_BRATS = {"epochs": 325, "learning_rate": 1e-4, "schedule": "constant"}
DATASETS: Mapping[str, PaperDataset] = {
    "hippocampus": PaperDataset(
        dataset="4",
        title="MSD Hippocampus",
        preset="paper-hippocampus",
        width=0.5,
        backbone_folds=(0,),
        backbone_cases="test",
        backbones=(
            ("VNet", "nnUNetTrainerVNet", "vnet", UNETR_HEADS),
            ("UNETR", "nnUNetTrainerUNETR", "unetr", {**UNETR_HEADS, "feature_size": 16}),
        ),
        missu=True,
    ),
    "mmwhs": PaperDataset(
        dataset="20",
        title="MMWHS (CT)",
        preset="paper-mmwhs",
        width=1.0,
        backbone_folds=(0, 1, 2, 3, 4),
        backbone_cases="validation",
        backbones=(("UNETR", "nnUNetTrainerUNETR", "unetr", {**UNETR_HEADS, "epochs": 600, "feature_size": 32}),),
        missu=True,
    ),
    "brats": PaperDataset(
        dataset="1",
        title="MSD BraTS",
        preset="paper-brats",
        width=0.5,
        backbone_folds=(0,),
        backbone_cases="test",
        backbones=(
            (
                "light UNETR",
                "nnUNetTrainerUNETR",
                "light-unetr",
                {**UNETR_HEADS, **_TRANSFORMERS_ON_BRATS, "feature_size": 16},
            ),
            ("UNETR", "nnUNetTrainerUNETR", "unetr", {**UNETR_HEADS, **_TRANSFORMERS_ON_BRATS, "feature_size": 64}),
            (
                "light Swin UNETR",
                "nnUNetTrainerSwinUNETR",
                "light-swin-unetr",
                {**_TRANSFORMERS_ON_BRATS, "feature_size": 12},
            ),
        ),
        missu=False,
    ),
}


def paper_study(dataset: str, table: str) -> dict[str, Any]:
    """Return a table of the paper as the content of a study file.

    Args:
        dataset: One of DATASETS.
        table: One of TABLES.
    """
    paper = DATASETS[dataset]
    return {
        "name": f"{dataset}-{table}",
        "dataset": paper.dataset,
        "configuration": "3d_fullres",
        "folds": [0],
        "seeds": [1],
        "evaluate_on": "validation",
        **TABLES[table](paper),
    }


def _ablations(paper: PaperDataset) -> dict[str, Any]:
    return {
        "title": f"{paper.title}: parts of dual self-distillation",
        "plans": {"paper": _plans(paper)},
        "trainers": [{"trainer": trainer, "label": label} for label, trainer in ABLATIONS.items()],
        "baseline": "Basic",
    }


def _temperatures(paper: PaperDataset) -> dict[str, Any]:
    return {
        "title": f"{paper.title}: temperature of the soft labels",
        "plans": {f"T{value}": _plans(paper, {"temperature": value}) for value in TEMPERATURES},
        "trainers": [{"trainer": "nnUNetTrainerDSD", "label": "DSD"}],
        "baseline": "DSD, T1",
    }


def _sizes(paper: PaperDataset) -> dict[str, Any]:
    return {
        "title": f"{paper.title}: small and large networks",
        "plans": {"small": _plans(paper, width=0.5), "large": _plans(paper, width=1.0)},
        "trainers": [
            {"trainer": "nnUNetTrainerBasic", "label": "Basic"},
            {"trainer": "nnUNetTrainerDSD", "label": "DSD"},
        ],
        "baseline": "Basic, small",
    }


def _backbones(paper: PaperDataset) -> dict[str, Any]:
    plans = {"nnunet": _plans(paper)}
    trainers: list[dict[str, Any]] = [
        {"trainer": "nnUNetTrainerBasic", "plans": ["nnunet"], "label": "nnU-Net"},
        {"trainer": "nnUNetTrainerDSD", "plans": ["nnunet"], "label": "nnU-Net with DSD"},
    ]
    for label, trainer, name, settings in paper.backbones:
        plans[name] = _plans(paper, settings, width=1.0)
        kinds = {"": "", "_DSD": " with DSD", **({"_MISSU": " with MISSU"} if paper.missu and label == "UNETR" else {})}
        trainers += [
            {"trainer": f"{trainer}{suffix}", "plans": [name], "label": f"{label}{words}"}
            for suffix, words in kinds.items()
        ]
    return {
        "title": f"{paper.title}: backbones",
        "plans": plans,
        "trainers": trainers,
        "baseline": "nnU-Net",
        "folds": list(paper.backbone_folds),
        "evaluate_on": paper.backbone_cases,
    }


TABLES = {"ablations": _ablations, "temperatures": _temperatures, "sizes": _sizes, "backbones": _backbones}


def _plans(
    paper: PaperDataset, settings: Mapping[str, Any] | None = None, *, width: float | None = None
) -> dict[str, Any]:
    """Return an entry of `plans`; nnU-Net's own width is left unsaid."""
    width = paper.width if width is None else width
    return {
        "preset": paper.preset,
        **({"settings": dict(settings)} if settings else {}),
        **({"width": width} if width != 1 else {}),
    }
