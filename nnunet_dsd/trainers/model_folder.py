"""Model folders `TRAINER__PLANS__CONFIGURATION` as nnU-Net leaves them: what is read from them, and which folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.json_files import read_json
from nnunet_dsd.config.misplaced_blocks import misplaced_blocks

NEEDED = {"plans.json": ("plans_name", "configurations"), "dataset.json": ("labels", "file_ending")}
EXPECTED = "Expected a folder such as nnUNet_results/Dataset004_Hippocampus/nnUNetTrainerDSD__nnUNetPlans__3d_fullres"


def read_model_folder(model: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the plans and the dataset.json of a model folder.

    Raises:
        DataError: if there is no such folder, or it is no model folder, or one of the two files is broken or something
            else.
    """
    if not model.is_dir():
        raise DataError(f"{model}: {'this is no folder' if model.exists() else 'there is no such folder'}. {EXPECTED}")
    missing = [name for name in NEEDED if not (model / name).is_file()]
    if missing:
        raise DataError(f"{model} is no nnU-Net model folder: it lacks {' and '.join(missing)}. {EXPECTED}")
    plans, dataset_json = (_read_description(model / name, entries) for name, entries in NEEDED.items())
    return plans, dataset_json


def unread_settings(plans: Mapping[str, Any]) -> str | None:
    """Return what to say of a trained model whose plans have settings that nothing read; None where there are none.

    The model is what it is, so this is no reason to refuse it.
    """
    problems = misplaced_blocks(plans)
    return f"it was trained without these settings of its plans: {'; '.join(problems)}" if problems else None


def trainer_and_configuration(model: Path, plans: Mapping[str, Any]) -> tuple[str, str]:
    """Return the trainer and the configuration that a model folder is named after.

    Args:
        model: The folder.
        plans: Its plans.

    Raises:
        DataError: if it is not named in nnU-Net's way, or its plans have no such configuration.
    """
    parts = model.resolve().name.split("__")
    if len(parts) != 3 or parts[2] not in plans["configurations"]:
        raise DataError(
            f"the folder {model} is not named TRAINER__PLANS__CONFIGURATION with one of its plans' configurations "
            f"({', '.join(plans['configurations'])}); rename it back"
        )
    return parts[0], parts[2]


def fold_checkpoints(model: Path, folds: Sequence[str] | None, checkpoint: str) -> list[Path]:
    """Return the checkpoints of a model's folds; None takes every fold that has the checkpoint.

    Raises:
        DataError: if there is none, or a named fold lacks it.
    """
    if folds is None:
        found = sorted(model.glob(f"fold_*/{checkpoint}"))
        if not found:
            raise DataError(f"no fold of {model} has a {checkpoint}; name another with -chk")
        return found
    paths = [model / f"fold_{fold}" / checkpoint for fold in folds]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise DataError(f"missing: {', '.join(missing)}; finish these folds or name others with -f")
    return paths


def _read_description(path: Path, entries: Sequence[str]) -> dict[str, Any]:
    """Read one of nnU-Net's JSON files that must have some entries."""
    content: Any = read_json(
        path,
        broken=lambda reason: f"{path} cannot be read as JSON ({reason}); copy it once more from where it was trained",
    )
    lacking = [name for name in entries if not isinstance(content, dict) or name not in content]
    if lacking:
        raise DataError(f"{path} is none of nnU-Net's: it lacks {', '.join(lacking)}; copy the trained model's")
    description: dict[str, Any] = content
    return description
