"""The paper's tables as ready-made studies, for the data sets as `nnunet-dsd convert` makes them.

They are starting points: printed with `nnunet-dsd ablate --paper mmwhs --print-study`, edited, and run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nnunet_dsd.common.errors import SettingsError

VARIANTS = {
    "Basic": "Basic",
    "DS": "DS",
    "SDD": "SDD",
    "SDE": "SDE",
    "DSD": "DSD",
    "Mean Teacher": "DSDMean",
    "Reversed Teacher": "DSDReversed",
}
TEMPERATURES = (1, 2, 3, 4)
DEFAULT_NETWORK = "nnunet"
NETWORKS = (DEFAULT_NETWORK, "dynunet", "unetr")  # of the tables of one network


@dataclass(frozen=True)
class Network:
    """A network, and the plans on which the paper's training of it is run.

    Attributes:
        title: Its name in the report.
        stem: What its trainers' names start with.
        plans: An entry of a study's `plans`.
    """

    title: str
    stem: str
    plans: Mapping[str, Any]

    def trainer(self, variant: str) -> str:
        """Return the trainer of a variant; other networks than nnU-Net's own have none named Basic."""
        if self.stem == "nnUNetTrainer":
            return f"{self.stem}{variant}"
        return self.stem if variant == "Basic" else f"{self.stem}_{variant}"


@dataclass(frozen=True)
class PaperDataset:
    """What the paper did with a data set.

    Attributes:
        number: That the pages of this project give it.
        title: Name for titles.
        networks: By their name within a study. The paper's "nnU-Net" is MONAI's DynUNet; `nnunet` is the one that
            nnU-Net plans, with about as many channels.
        backbone_folds: Folds of its table of backbones.
        backbone_cases: What that table is scored on.
        missu_on: The networks that MISSU was attached to.
    """

    number: str
    title: str
    networks: Mapping[str, Network]
    backbone_folds: tuple[int, ...] = (0,)
    backbone_cases: str = "test"
    missu_on: tuple[str, ...] = field(default=())


_NNUNET, _DYNUNET, _UNETR = "nnUNetTrainer", "nnUNetTrainerDynUNet", "nnUNetTrainerUNETR"
DATASETS: Mapping[str, PaperDataset] = {
    "hippocampus": PaperDataset(
        "4",
        "MSD Hippocampus",
        {
            "nnunet": Network("nnU-Net", _NNUNET, {"preset": "paper-hippocampus", "width": 0.5}),
            "dynunet": Network("DynUNet", _DYNUNET, {"preset": "paper-hippocampus-dynunet"}),
            "unetr": Network("UNETR", _UNETR, {"preset": "paper-hippocampus-unetr"}),
            "vnet": Network("VNet", "nnUNetTrainerVNet", {"preset": "paper-hippocampus-unetr"}),
        },
        missu_on=("unetr",),
    ),
    "mmwhs": PaperDataset(
        "20",
        "MMWHS (CT)",
        {
            "nnunet": Network("nnU-Net", _NNUNET, {"preset": "paper-mmwhs"}),
            "dynunet": Network("DynUNet", _DYNUNET, {"preset": "paper-mmwhs-dynunet"}),
            "unetr": Network("UNETR", _UNETR, {"preset": "paper-mmwhs-unetr"}),
        },
        backbone_folds=(0, 1, 2, 3, 4),
        backbone_cases="validation",
        missu_on=("unetr",),
    ),
    "brats": PaperDataset(
        "1",
        "MSD BraTS",
        {
            "nnunet": Network("nnU-Net", _NNUNET, {"preset": "paper-brats", "width": 0.5}),
            "dynunet": Network("DynUNet", _DYNUNET, {"preset": "paper-brats", "settings": {"feature_size": 16}}),
            "light-unetr": Network("light UNETR", _UNETR, {"preset": "paper-brats-unetr-light"}),
            "unetr": Network("UNETR", _UNETR, {"preset": "paper-brats-unetr"}),
            "light-swin-unetr": Network(
                "light Swin UNETR", "nnUNetTrainerSwinUNETR", {"preset": "paper-brats-swin-light"}
            ),
        },
    ),
}


def paper_study(dataset: str, table: str, network: str | None = None) -> dict[str, Any]:
    """Return a table of the paper as the content of a study file.

    Args:
        dataset: One of DATASETS.
        table: One of TABLES, or `backbones`.
        network: One of NETWORKS, or None for nnU-Net's own.

    Raises:
        SettingsError: if a network is asked for with the table of all of them.
    """
    paper = DATASETS[dataset]
    common = {"dataset": paper.number, "configuration": "3d_fullres", "seeds": [1]}
    if table == "backbones":
        if network is not None:
            raise SettingsError(["the table 'backbones' holds all networks; leave it out"], source="--network")
        return {"name": f"{dataset}-backbones", **common, **_backbones(paper)}
    key = network or DEFAULT_NETWORK
    name = f"{dataset}-{table}" if network is None else f"{dataset}-{table}-{network}"
    content = TABLES[table](paper.networks[key], key)
    title = f"{paper.title}, {paper.networks[key].title}: {content.pop('title')}"
    return {"name": name, "title": title, **common, "folds": [0], "evaluate_on": "validation", **content}


def _ablations(network: Network, key: str) -> dict[str, Any]:
    return {
        "title": "parts of dual self-distillation",
        "plans": {"paper": dict(network.plans)},
        "trainers": [{"trainer": network.trainer(variant), "label": label} for label, variant in VARIANTS.items()],
        "baseline": "Basic",
    }


def _temperatures(network: Network, key: str) -> dict[str, Any]:
    return {
        "title": "temperature of the soft labels",
        "plans": {f"T{value}": _with(network.plans, temperature=value) for value in TEMPERATURES},
        "trainers": [{"trainer": network.trainer("DSD"), "label": "DSD"}],
        "baseline": "DSD, T1",
    }


def _sizes(network: Network, key: str) -> dict[str, Any]:
    if key == "nnunet":
        plans = {"small": {**network.plans, "width": 0.5}, "large": {**network.plans, "width": 1.0}}
    else:
        plans = {"small": _with(network.plans, feature_size=16), "large": _with(network.plans, feature_size=32)}
    return {
        "title": "small and large",
        "plans": plans,
        "trainers": [{"trainer": network.trainer(label), "label": label} for label in ("Basic", "DSD")],
        "baseline": "Basic, small",
    }


def _backbones(paper: PaperDataset) -> dict[str, Any]:
    trainers = []
    for key, network in paper.networks.items():
        variants = {"Basic": "", "DSD": " with DSD", **({"MISSU": " with MISSU"} if key in paper.missu_on else {})}
        trainers += [
            {"trainer": network.trainer(variant), "plans": [key], "label": f"{network.title}{words}"}
            for variant, words in variants.items()
        ]
    return {
        "title": f"{paper.title}: backbones",
        "plans": {key: dict(network.plans) for key, network in paper.networks.items()},
        "trainers": trainers,
        "baseline": next(iter(paper.networks.values())).title,
        "folds": list(paper.backbone_folds),
        "evaluate_on": paper.backbone_cases,
    }


TABLES = {"ablations": _ablations, "temperatures": _temperatures, "sizes": _sizes}


def _with(plans: Mapping[str, Any], **settings: Any) -> dict[str, Any]:
    """Return plans with further settings."""
    return {**plans, "settings": {**plans.get("settings", {}), **settings}}
